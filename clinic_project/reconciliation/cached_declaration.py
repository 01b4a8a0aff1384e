"""Inspections for a readiness probe or a page, which are frequent: the declared schema is read once per process."""

from functools import cache

from django.db import connections

from .conf import Budgets
from .migration_history import declared_by_migrations
from .pipeline import Inspection, inspect
from .schema.model import Schema, Server


def inspect_database(alias: str = "default") -> Inspection:
    """Compare the tables of the reconciled apps with what their last migrations declare. Nothing is changed.

    Raises Unsupported where a reconciliation can't run on the server or as the role, django.db.Error where the database
    can't be reached or read.
    """
    server, declared = _declared(alias)
    return inspect(connections[alias], server, declared, Budgets.from_settings())


@cache
def _declared(alias: str) -> tuple[Server, Schema]:
    return declared_by_migrations(connections[alias])
