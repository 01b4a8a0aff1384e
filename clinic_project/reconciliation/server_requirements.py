"""What a server, and this role on it, must allow for a reconciliation."""

from django.db.backends.base.base import BaseDatabaseWrapper

from .exceptions import Unsupported
from .schema.introspection import read_server
from .schema.model import Server

#: The oldest supported release, as server_version_num.
OLDEST = 140000


def require_server(connection: BaseDatabaseWrapper) -> Server:
    """Return the server. Raises Unsupported where a reconciliation can't be run on it by this role."""
    server = read_server(connection)
    _require(server)
    return server


def _require(server: Server) -> None:
    if server.version_number < OLDEST:
        raise Unsupported(f"Expected PostgreSQL 14 or later, found {server.version}. Upgrade the server.")
    if server.in_recovery:
        raise Unsupported(
            f"Expected a primary server, found a read-only standby ({server.database}). Run this on its primary."
        )
    if server.read_only:
        raise Unsupported(
            f"Expected to be allowed to write, found read-only transactions for {server.role}. Turn them off:"
            " ALTER ROLE … SET default_transaction_read_only = off (or for the database)."
        )
    if server.schema is None or server.schema.startswith("pg_"):  # the system's own, or one of temporary tables
        raise Unsupported(
            f"Expected a schema to create tables in, found {server.schema or 'none'} first on the search path"
            f" ({server.search_path}). Create one, or set search_path."
        )
    if not server.may_create_temporary:
        raise Unsupported(
            f"Expected the privilege TEMPORARY on the database {server.database}, which {server.role} lacks: temporary"
            f" tables show what the models declare. GRANT TEMPORARY ON DATABASE {server.database} TO {server.role}."
        )
