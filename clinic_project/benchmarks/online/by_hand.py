"""The steps that one who knows PostgreSQL types into psql, so that those who write hardly notice."""

from .start import TABLE, Start

#: How many keys one UPDATE of the loop covers: with one NULL in ten rows, as many rows as one batch of ours changes.
KEYS_A_BATCH = 10_000

_DEFAULTS = f"""
ALTER TABLE {TABLE} ALTER is_deleted SET DEFAULT false;
ALTER TABLE {TABLE} ALTER version SET DEFAULT 1;
ALTER TABLE {TABLE} ALTER created_at SET DEFAULT statement_timestamp();
ALTER TABLE {TABLE} ALTER updated_at SET DEFAULT statement_timestamp();
"""
_FILL = f"""
DO $$
DECLARE
    first bigint := 0;
    last bigint := (SELECT max(id) FROM {TABLE});
BEGIN
    WHILE first <= last LOOP
        UPDATE {TABLE} SET is_deleted = false
        WHERE id >= first AND id < first + {KEYS_A_BATCH} AND is_deleted IS NULL;
        COMMIT;
        first := first + {KEYS_A_BATCH};
    END LOOP;
END $$;
"""
_NOT_NULL = f"""
ALTER TABLE {TABLE} ADD CONSTRAINT is_deleted_is_there CHECK (is_deleted IS NOT NULL) NOT VALID;
ALTER TABLE {TABLE} VALIDATE CONSTRAINT is_deleted_is_there;
ALTER TABLE {TABLE} ALTER is_deleted SET NOT NULL;
ALTER TABLE {TABLE} DROP CONSTRAINT is_deleted_is_there;
"""


def script(start: Start) -> str:
    builds = [sql.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1) for sql in start.indexes]
    name, definition = start.foreign_key
    return "\n".join(
        (
            "SET lock_timeout = '500ms';",
            _DEFAULTS,
            _FILL,
            _NOT_NULL,
            "SET lock_timeout = 0;",
            *(f"{build};" for build in builds),
            "SET lock_timeout = '500ms';",
            f"ALTER TABLE {TABLE} ADD CONSTRAINT {name} {definition} NOT VALID;",
            f"ALTER TABLE {TABLE} VALIDATE CONSTRAINT {name};",
        )
    )
