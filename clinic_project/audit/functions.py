"""The functions of the database that write and keep the history, and destroy rows with theirs, for `triggers`."""

from clinic_project.reconciliation.schema.model import HELPER_NAME, HELPER_PREFIX
from clinic_project.reconciliation.triggers import PROJECT_SCHEMA, Function

#: SQLSTATEs of our own: a change of the history itself, and a TRUNCATE of a table that has one.
HISTORY_IS_APPEND_ONLY, TRUNCATE_LOSES_HISTORY = "AU001", "AU002"
#: Of a destruction: the row's time isn't over, and there is no such row.
ROW_IS_RETAINED, NO_SUCH_ROW = "AU003", "AU004"

#: Under these, a row is the same text in every session.
SAME_TEXT = (
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
)

#: An entry as text, of which its hash is made.
ENTRY = """
    ROW(id, table_name, row_id, action, kept, is_whole, row_hash, transaction_id, recorded_at,
        database_user, database_role, application_name, client_address, context)::text
"""
#: The search path of what runs with its owner's privileges, or finds tables of the project.
_SEARCH_PATH = ("pg_catalog", PROJECT_SCHEMA, "pg_temp")

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
    -- On Citus it fires on a shard, whose number ends both names: no trigger that calls this ends in one otherwise.
    IF TG_NAME ~ '_[0-9]+$' THEN
        source := left(source, -length(substring(TG_NAME FROM '_[0-9]+$')));
    END IF;
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
            SELECT 1 FROM audit_history WHERE table_name = source AND row_id = entry_row
        ) OFFSET 0) AS entry (whole);
    END LOOP;
    RETURN NULL;
END
""",
    security_definer=True,
    search_path=_SEARCH_PATH,
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

REFUSE_REMOVAL = Function(
    "audit_refuse_removal",
    f"""
DECLARE
    -- Citus joins no transition table.
    ids bigint[] := ARRAY(SELECT id FROM removed);
BEGIN
    IF EXISTS (
        SELECT 1 FROM unnest(ids) AS removed (id)
        WHERE NOT EXISTS (SELECT 1 FROM audit_destroyed_entries AS gone WHERE gone.id = removed.id)
    ) THEN
        RAISE EXCEPTION 'DELETE of % is refused: the history goes with the row that it is about, once that may be destroyed',
            TG_TABLE_NAME
        USING ERRCODE = '{HISTORY_IS_APPEND_ONLY}', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NULL;
END
""",
    search_path=_SEARCH_PATH,
    # One by one, by the key: those that have been destroyed since the beginning needn't be read.
    settings=(("enable_hashjoin", "off"), ("enable_mergejoin", "off"), ("enable_seqscan", "off")),
)

#: The app that owns a table says until when its rows are retained, by a function of this name for the table's.
RETAINED_UNTIL = "{table}_retained_until"

#: A row of the destruction log is the destruction: it is filled in here, whatever was given, or not inserted.
#:
#: 1. Lock the row, so that nobody restores or changes it any more.
#: 2. Ask the app that owns the table until when the row is retained: NULL is not at all.
#: 3. Delete the row, which its triggers record, then its history, of which numbers and hashes are kept for the seals.
#:
#: The number is one that no other row of the log can have: ON CONFLICT DO NOTHING would leave this one out afterwards.
DESTROY = Function(
    "audit_destroy",
    f"""
DECLARE
    target text := format('%I.%I', TG_TABLE_SCHEMA, NEW.table_name);
    -- Not TG_TABLE_NAME, which is a shard's on Citus.
    numbers text := pg_get_serial_sequence(format('%I.audit_destructions', TG_TABLE_SCHEMA), 'id');
    content jsonb;
    removed bigint;
    ids bigint[];
    hashes bytea[];
BEGIN
    NEW.id := nextval(numbers);
    EXECUTE format('SELECT to_jsonb(r) FROM %s AS r WHERE id = $1 FOR UPDATE', target) INTO content USING NEW.row_id;
    IF content IS NULL THEN
        RAISE EXCEPTION '% has no row %', NEW.table_name, NEW.row_id USING ERRCODE = '{NO_SUCH_ROW}';
    END IF;
    EXECUTE format('SELECT %I.%I($1)', TG_TABLE_SCHEMA, NEW.table_name || '{RETAINED_UNTIL.format(table="")}')
        INTO NEW.retained_until USING NEW.row_id;
    IF NEW.retained_until > now() THEN
        RAISE EXCEPTION 'row % of % can''t be destroyed: it is retained', NEW.row_id, NEW.table_name
        USING ERRCODE = '{ROW_IS_RETAINED}', DETAIL = 'Until ' || NEW.retained_until || '.';
    END IF;

    EXECUTE format('DELETE FROM %s WHERE id = $1', target) USING NEW.row_id;
    GET DIAGNOSTICS removed = ROW_COUNT;
    IF removed = 0 THEN
        RETURN NULL;  -- another system's trigger keeps it
    END IF;
    -- Read first, and then inserted: Citus can't do both in one statement.
    SELECT array_agg(id ORDER BY id), array_agg(entry_hash ORDER BY id),
        count(*), sha256(coalesce(string_agg(entry_hash, ''::bytea ORDER BY id), ''))
    INTO ids, hashes, NEW.entry_count, NEW.entries_hash
    FROM (
        SELECT id, sha256(convert_to({ENTRY}, 'UTF8')) AS entry_hash
        FROM audit_history WHERE table_name = NEW.table_name AND row_id = NEW.row_id
    ) AS entries;
    INSERT INTO audit_destroyed_entries (id, entry_hash, destruction_id)
    SELECT id, entry_hash, NEW.id FROM unnest(ids, hashes) AS gone (id, entry_hash);
    DELETE FROM audit_history WHERE table_name = NEW.table_name AND row_id = NEW.row_id;

    NEW.destroyed_at := clock_timestamp();
    NEW.patient_id := content ->> 'patient_id';
    NEW.clinic_id := content ->> 'clinic_id';
    NEW.content_hash := sha256(convert_to(content::text, 'UTF8'));
    NEW.transaction_id := pg_current_xact_id()::text::bigint;
    NEW.database_user := session_user;
    NEW.database_role := nullif(current_setting('role'), 'none');
    NEW.application_name := nullif(current_setting('application_name'), '');
    NEW.client_address := inet_client_addr();
    NEW.context := nullif(current_setting('audit.context', true), '');
    RETURN NEW;
END
""",
    security_definer=True,
    search_path=_SEARCH_PATH,
    settings=(*SAME_TEXT, ("enable_seqscan", "off")),
)
