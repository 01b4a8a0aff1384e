"""What a reconciliation requires of the server and of this role."""

from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

from .exceptions import CannotServe, Refused, Unsupported
from .planning import refusals
from .planning.plan import Refusal
from .schema.introspection import read_server
from .schema.model import Server
from .schema.search_path import schemas_of_project

#: The oldest supported release, as server_version_num.
OLDEST_SUPPORTED = 140000


def require_postgresql(connection: BaseDatabaseWrapper) -> None:
    if connection.vendor != "postgresql":
        raise Unsupported(f"Expected a PostgreSQL database, found {connection.vendor} ({connection.alias}).")


def require_server(connection: BaseDatabaseWrapper) -> Server:
    """Return the server.

    Raises Unsupported if it isn't PostgreSQL 14 or later, Refused where a reconciliation can't run as this role.
    """
    require_postgresql(connection)
    server = read_server(connection)
    if server.version_number < OLDEST_SUPPORTED:
        raise Unsupported(f"Expected PostgreSQL 14 or later, found {server.version}. Upgrade the server.")
    if refused := list(_unmet(connection, server)):
        raise (CannotServe if any(refusal.code.prevents_serving for refusal in refused) else Refused)(refused)
    return server


def _unmet(connection: BaseDatabaseWrapper, server: Server) -> Iterator[Refusal]:
    if server.in_recovery:
        yield refusals.standby(server)
        return
    if server.read_only:
        yield refusals.read_only(server)
    if server.schema is None or server.system_schema:
        yield refusals.no_schema(server, schemas_of_project(connection))
    elif not server.may_use:
        purpose = f"it is on the search path ({server.search_path}), and holds the project's tables"
        yield refusals.may_not_use(server.schema, server.role, purpose)
    elif not server.may_create and not server.has_history:
        # Django would have to create django_migrations first of all.
        project_schemas = [] if server.holds_project else schemas_of_project(connection)
        yield refusals.no_schema(server, project_schemas) if project_schemas else refusals.may_not_create(server)
    if not server.may_create_temporary:
        yield refusals.may_not_create_temporary(server)
