"""`manage.py sqlmigrate`: as Django has it, without a traceback where this database keeps a step from being planned."""

from typing import Any

from django.core.management.commands.sqlmigrate import Command as DjangoSqlMigrate

from ..console import errors_told


class Command(DjangoSqlMigrate):
    def handle(self, *args: Any, **options: Any) -> str | None:
        with errors_told():
            return super().handle(*args, **options)
