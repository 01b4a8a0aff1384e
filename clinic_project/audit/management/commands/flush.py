"""`manage.py flush`: Django's own, but for tables that refuse TRUNCATE."""

import shlex
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import flush
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from clinic_project.audit.recorded import tables_with


class Command(flush.Command):
    def handle(self, **options: Any) -> None:
        connection = connections[options["database"]]
        existing = connection.introspection.django_table_names(only_existing=True, include_views=False)
        # By what is declared, so that a trigger that is missing or disabled doesn't let everything be deleted.
        kept = [table for table in tables_with(lambda trigger: "TRUNCATE" in trigger.events) if table in existing]
        if kept:
            raise CommandError(_refusal(connection, kept))
        super().handle(**options)


def _refusal(connection: BaseDatabaseWrapper, tables: list[str]) -> str:
    alias, name = connection.alias, connection.settings_dict["NAME"]
    schema = _schema_of(connection, tables[0])
    start_again = shlex.quote(f"DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}")
    return (
        f"The database {name} can't be flushed: history is kept, and its tables refuse TRUNCATE ({', '.join(tables)})."
        " Nothing was changed. If nothing in this database is needed, as in development, drop the schema with all that is"
        " in it, other systems' tables too, and migrate:\n"
        f"  python manage.py dbshell --database {alias} -- --command={start_again}\n"
        f"  python manage.py migrate --database {alias}"
    )


def _schema_of(connection: BaseDatabaseWrapper, table: str) -> str:
    """Return the schema in which a table is found, quoted."""
    with connection.cursor() as cursor:
        quoted = connection.ops.quote_name(table)
        cursor.execute("SELECT relnamespace::regnamespace FROM pg_class WHERE oid = to_regclass(%s)", [quoted])
        return str(cursor.fetchone()[0])
