"""A type that isn't PostgreSQL's own. Apart from the models, which can be imported only once the app is installed."""

from typing import Any

from django.db import models

#: A type that an extension brings, and the extension, the better known one first.
EXTENSION_TYPES = {"citext": "citext", "vector": "vector(3)"}


class ExtensionField(models.Field):
    """A column of an extension's type: whichever of EXTENSION_TYPES the server can have."""

    def db_type(self, connection: Any) -> str:
        return EXTENSION_TYPES[available_extension(connection)]


def available_extension(connection: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_available_extensions WHERE name = ANY (%s)", [list(EXTENSION_TYPES)])
        available = {name for (name,) in cursor.fetchall()}
    return next(name for name in EXTENSION_TYPES if name in available)
