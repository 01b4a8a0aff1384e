"""A field whose type an extension defines. The models' module can be imported only once the app is installed."""

from typing import Any

from django.db import models

#: From an extension to the type that it defines; the better known one comes first.
EXTENSION_TYPES = {"citext": "citext", "vector": "vector(3)"}


class ExtensionField(models.Field):
    """A column of an extension's type: the first of EXTENSION_TYPES that the server has."""

    def db_type(self, connection: Any) -> str:
        return EXTENSION_TYPES[available_extension(connection)]


def available_extension(connection: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_available_extensions WHERE name = ANY (%s)", [list(EXTENSION_TYPES)])
        available = {name for (name,) in cursor.fetchall()}
    return next(name for name in EXTENSION_TYPES if name in available)
