"""Roles of one test each."""

from collections.abc import Iterator
from contextlib import contextmanager

from .databases import Database

PASSWORD = "only for tests"


@contextmanager
def role_of(database: Database, purpose: str = "role") -> Iterator[Database]:
    """Make a role without any privilege on the database but CONNECT and TEMPORARY, and give the database as it sees it."""
    role = f"{purpose}_of_{database.name}"
    database.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' NOSUPERUSER NOBYPASSRLS")
    try:
        yield Database(database.name, {"user": role, "password": PASSWORD})
    finally:
        database.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER", f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@contextmanager
def owner_of(database: Database) -> Iterator[Database]:
    """Give the database, with all its tables and functions, to a role that is no superuser."""
    with role_of(database, "owner") as owner:
        role = owner.role["user"]
        database.execute(
            f'ALTER DATABASE "{database.name}" OWNER TO {role}',
            f"ALTER SCHEMA public OWNER TO {role}",
            give_all_in("public", role),
        )
        yield owner


def give_all_in(schema: str, role: str) -> str:
    """Return the statement that makes a role the owner of all tables and functions in a schema."""
    return f"""DO $$ DECLARE each text; BEGIN
        FOR each IN SELECT oid::regclass FROM pg_class
                    WHERE relnamespace = '"{schema}"'::regnamespace AND relkind = 'r' LOOP
            EXECUTE format('ALTER TABLE %s OWNER TO {role}', each);
        END LOOP;
        FOR each IN SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = '"{schema}"'::regnamespace LOOP
            EXECUTE format('ALTER FUNCTION %s OWNER TO {role}', each);
        END LOOP; END $$"""
