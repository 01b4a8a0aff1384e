"""Inspections for a readiness probe or a page, which are frequent: the declared schema is read once per process."""

from functools import cache

from django.db import connections

from .conf import Budgets
from .migration_history import declared_by_migrations
from .pipeline import Inspection, inspect
from .schema.model import Schema
from .server_requirements import require_server


def inspect_database(alias: str = "default") -> Inspection:
    """Compare the tables of the reconciled apps with what their last migrations declare. Nothing is changed.

    The server is asked each time what it is: a process may live through a failover. Raises CannotServe where it is
    read-only, Unsupported where a reconciliation can't run on it or as this role, django.db.Error where the database can't
    be reached or read.
    """
    server = require_server(connections[alias])
    return inspect(connections[alias], server, _declared(alias), Budgets.from_settings())


@cache
def _declared(alias: str) -> Schema:
    _, declared = declared_by_migrations(connections[alias])
    return declared
