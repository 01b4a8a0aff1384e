"""What a reconciliation requires of the server and of this role."""

from django.db.backends.base.base import BaseDatabaseWrapper

from .exceptions import CannotServe, Unsupported
from .schema.introspection import read_server
from .schema.model import Server

#: The oldest supported release, as server_version_num.
OLDEST_SUPPORTED = 140000


def require_server(connection: BaseDatabaseWrapper) -> Server:
    """Return the server. Raises Unsupported where a reconciliation can't run on it as this role."""
    server = read_server(connection)
    _require(server)
    return server


def _require(server: Server) -> None:
    if server.version_number < OLDEST_SUPPORTED:
        raise Unsupported(f"Expected PostgreSQL 14 or later, found {server.version}. Upgrade the server.")
    if server.in_recovery:
        raise CannotServe(
            f"Expected a primary server, found a read-only standby ({server.database}). Run this on its primary."
        )
    if server.read_only:
        raise CannotServe(
            f"Expected transactions that can write, found read-only transactions for {server.role}. Change that: ALTER"
            " ROLE … SET default_transaction_read_only = off, or ALTER DATABASE … likewise."
        )
    if server.schema is None or server.schema.startswith("pg_"):  # a system catalog's, or one of temporary tables
        raise CannotServe(
            f"Expected a schema to create tables in, found {server.schema or 'none'} first on the search path"
            f" ({server.search_path}). Create the schema, or set search_path."
        )
    if not server.may_create_temporary:
        raise Unsupported(
            f"Expected the privilege TEMPORARY on the database {server.database}, which the role {server.role} lacks: the"
            f" declared schema is read from temporary tables. Run: GRANT TEMPORARY ON DATABASE {server.database} TO"
            f" {server.role}."
        )
