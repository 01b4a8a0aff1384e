"""The two functions of the database that write the history and keep it: their triggers stand in `triggers`."""

from clinic_project.reconciliation.schema.model import HELPER_NAME, HELPER_PREFIX
from clinic_project.reconciliation.triggers import PROJECT_SCHEMA, Function

#: SQLSTATEs of our own: a change of the history itself, and a TRUNCATE of a table that has one.
HISTORY_IS_APPEND_ONLY, TRUNCATE_LOSES_HISTORY = "AU001", "AU002"

#: Under these, a row is the same text in every session.
SAME_TEXT = (
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
)

RECORD_CHANGE = Function(
    "audit_record_change",
    f"""
DECLARE
    -- Not the name itself: it has a collation that no index on text has.
    source text := TG_TABLE_NAME;
    before jsonb;
    after jsonb;
    -- The row as the change leaves it; where it is gone, as it was.
    row_text text;
    helpers text[];
    actions text[] := ARRAY[lower(TG_OP)];
    entry_action text;
    key jsonb;
    entry_row bigint;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := to_jsonb(OLD);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := to_jsonb(NEW);
    END IF;
    row_text := coalesce(after, before);
    -- Helper columns of a repair that is under way are no part of the row.
    IF position('"{HELPER_PREFIX}' IN row_text) > 0 THEN
        helpers := ARRAY(SELECT name FROM jsonb_object_keys(row_text::jsonb) AS name
                         WHERE name ~ '{HELPER_NAME}');
        before := before - helpers;
        after := after - helpers;
        row_text := coalesce(after, before);
        IF before = after THEN
            RETURN NULL;
        END IF;
    END IF;
    -- With another key it is another row.
    IF before -> 'id' <> after -> 'id' THEN
        actions := '{{delete,insert}}';
    END IF;
    FOREACH entry_action IN ARRAY actions LOOP
        key := (CASE entry_action WHEN 'insert' THEN after ELSE before END) -> 'id';
        -- A damaged table may have other keys, or none: its rows can be changed all the same.
        entry_row := CASE WHEN key::text ~ '^-?[0-9]{{1,18}}$' THEN key::bigint END;
        INSERT INTO audit_history (
            table_name, row_id, action, kept, is_whole, row_hash, transaction_id, recorded_at,
            database_user, database_role, application_name, client_address, context
        ) SELECT
            source, entry_row, entry_action,
            CASE WHEN whole THEN before WHEN entry_action = 'update' THEN (
                -- By their bytes, as the hash sees them: 1.0 is no other number than 1, and another text.
                SELECT jsonb_object_agg(pair.key, pair.value) FROM jsonb_each(before) AS pair
                WHERE record_image_ne(ROW(pair.value), ROW(after -> pair.key))
            ) END,
            whole,
            CASE WHEN entry_action <> 'delete' THEN sha256(convert_to(row_text, 'UTF8')) END,
            pg_current_xact_id()::text::bigint, clock_timestamp(),
            session_user, nullif(current_setting('role'), 'none'), nullif(current_setting('application_name'), ''),
            inet_client_addr(), nullif(current_setting('audit.context', true), '')
        FROM (SELECT entry_action = 'delete' OR entry_action = 'update' AND NOT EXISTS (
            SELECT FROM audit_history WHERE table_name = source AND row_id = entry_row
        ) OFFSET 0) AS entry (whole);
    END LOOP;
    RETURN NULL;
END
""",
    security_definer=True,
    search_path=("pg_catalog", PROJECT_SCHEMA, "pg_temp"),
    # The plan may be made while the history is empty, and kept until it isn't: only an index scan is right for both.
    settings=(*SAME_TEXT, ("enable_seqscan", "off")),
)

REFUSE_CHANGE = Function(
    "audit_refuse_change",
    f"""
BEGIN
    IF TG_ARGV[0] = 'history' THEN
        RAISE EXCEPTION
            '% of % is refused: triggers write the history, and no entry of it or of the access log is ever changed',
            TG_OP, TG_TABLE_NAME
        USING ERRCODE = '{HISTORY_IS_APPEND_ONLY}', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RAISE EXCEPTION 'TRUNCATE of % is refused: its rows have a history, which TRUNCATE would pass by', TG_TABLE_NAME
    USING ERRCODE = '{TRUNCATE_LOSES_HISTORY}', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA,
        HINT = 'DELETE removes the rows, and keeps each in the history.';
END
""",
    search_path=("pg_catalog", "pg_temp"),
)
