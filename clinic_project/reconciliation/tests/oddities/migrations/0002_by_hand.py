from typing import Any

from django.db import migrations

SQL = """
CREATE TABLE oddities_totals AS SELECT 0 AS notes;
CREATE INDEX oddities_note_lower ON oddities_note (lower(title));
ALTER TABLE oddities_note ALTER title SET DEFAULT 'untitled', ALTER body SET DEFAULT '', ALTER body SET NOT NULL,
    ADD words int GENERATED ALWAYS AS (length(body)) STORED, ADD CONSTRAINT oddities_title CHECK (title <> '');
CREATE VIEW oddities_titles AS SELECT id, title FROM oddities_note;
CREATE FUNCTION oddities_count() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN UPDATE oddities_totals SET notes = notes + 1; RETURN NEW; END $$;
CREATE TRIGGER oddities_count AFTER INSERT ON oddities_note FOR EACH ROW EXECUTE FUNCTION oddities_count();
"""


def count(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute("CREATE TABLE oddities_runs AS SELECT now() AS run")


class Migration(migrations.Migration):
    dependencies = [("oddities", "0001_initial")]

    operations = [
        migrations.SeparateDatabaseAndState(database_operations=[migrations.RunSQL(SQL)]),
        migrations.RunPython(count),
    ]
