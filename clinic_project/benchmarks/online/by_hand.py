"""The steps that somebody who knows PostgreSQL types into psql, so that writers hardly wait."""

from .start import TABLE, Start

#: How many keys one UPDATE of the loop covers: with one NULL in ten rows, as many rows as one batch of ours changes.
KEYS_A_BATCH = 10_000

_DEFAULTS = (
    "is_deleted SET DEFAULT false",
    "version SET DEFAULT 1",
    "created_at SET DEFAULT statement_timestamp()",
    "updated_at SET DEFAULT statement_timestamp()",
)
_BACKFILL = f"""
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


def _alter(clause: str) -> str:
    """Return an ALTER TABLE that is typed again, a second later, while somebody (an autovacuum) holds the table."""
    return f"""
DO $$
BEGIN
    SET LOCAL lock_timeout = '100ms';
    LOOP
        BEGIN
            ALTER TABLE {TABLE} {clause};
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(1);
        END;
    END LOOP;
END $$;"""


def script(start: Start) -> str:
    name, definition = start.foreign_key
    check = "is_deleted_is_there"
    return "\n".join(
        (
            *(_alter(f"ALTER {default}") for default in _DEFAULTS),
            _BACKFILL,
            _alter(f"ADD CONSTRAINT {check} CHECK (is_deleted IS NOT NULL) NOT VALID"),
            f"ALTER TABLE {TABLE} VALIDATE CONSTRAINT {check};",
            _alter("ALTER is_deleted SET NOT NULL"),
            _alter(f"DROP CONSTRAINT {check}"),
            *(f"{sql.replace('CREATE INDEX', 'CREATE INDEX CONCURRENTLY', 1)};" for sql in start.indexes),
            _alter(f"ADD CONSTRAINT {name} {definition} NOT VALID"),
            f"ALTER TABLE {TABLE} VALIDATE CONSTRAINT {name};",
        )
    )
