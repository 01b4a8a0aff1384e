"""Changes that no trigger records."""

from contextlib import contextmanager

from django.db import connection


@contextmanager
def unrecorded(table: str):
    """Let no trigger of the history stand for a while, as the owner of a table can."""
    names = [f"00_{table}_history", f"00_{table}_history_update"]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name in names:
            cursor.execute(f'ALTER TABLE {table} DISABLE TRIGGER "{name}"')
        yield
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name in names:
            cursor.execute(f'ALTER TABLE {table} ENABLE ALWAYS TRIGGER "{name}"')
