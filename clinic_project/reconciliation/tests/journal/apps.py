from django.apps import AppConfig

from ...triggers import PROJECT_SCHEMA, Function


class JournalConfig(AppConfig):
    name = "clinic_project.reconciliation.tests.journal"
    label = "journal"
    database_functions = (
        Function(
            "keep_old_row",
            """
BEGIN
    INSERT INTO journal_entry (source, action, old) VALUES (TG_TABLE_NAME, TG_ARGV[0], to_jsonb(OLD));
    RETURN NULL;
END
""",
            security_definer=True,
            search_path=("pg_catalog", PROJECT_SCHEMA, "pg_temp"),
        ),
        Function(
            "refuse_change",
            "BEGIN RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'JR001'; END",
        ),
        Function("journal_size", "SELECT count(*) FROM journal_entry", returns="bigint", language="sql"),
    )
