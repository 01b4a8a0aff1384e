"""`manage.py sqlmigrate`: Django's own, but without a traceback where the database prevents planning."""

from typing import Any

from django.core.management.commands.sqlmigrate import Command as DjangoSqlMigrate

from ..base import command_errors


class Command(DjangoSqlMigrate):
    def handle(self, *args: Any, **options: Any) -> str | None:
        with command_errors():
            return super().handle(*args, **options)
