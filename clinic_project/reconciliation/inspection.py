"""Looking at a database often, as a readiness probe or a page does: the declared schema is worked out once a process."""

from functools import cache

from django.db import connections

from .conf import Budgets
from .migration_history import expect_declared
from .pipeline import Inspection
from .pipeline import inspect as inspect_schema
from .schema.introspection import Server
from .schema.model import Schema


def inspect(alias: str = "default") -> Inspection:
    """Compare the tables of the reconciling apps with what their last migrations declare. Nothing is changed.

    Raises Unsupported where the server or the role can't be asked, and django.db.Error where it can't be reached.
    """
    server, expected = _expected(alias)
    return inspect_schema(connections[alias], server, expected, Budgets.from_settings())


@cache
def _expected(alias: str) -> tuple[Server, Schema]:
    return expect_declared(connections[alias])
