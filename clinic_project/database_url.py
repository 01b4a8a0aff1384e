"""A URL of a PostgreSQL database → Django's settings for it, read by libpq's own parser, as psql reads it.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

from typing import Any
from urllib.parse import quote, unquote

from django.core.exceptions import ImproperlyConfigured
from psycopg2 import ProgrammingError
from psycopg2.extensions import parse_dsn

#: Django's settings, by the names of libpq's parameters. The others are OPTIONS.
_SETTINGS = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}

_HIGHEST_PORT = 65535

_EXPECTED = (
    "Expected: postgresql://USER:PASSWORD@HOST:PORT/NAME, with commas between several HOST:PORT; in USER and PASSWORD, all"
    " but letters and digits as %XX, / as %2F."
)
_WITHOUT = " (Without DATABASE_URL, the embedded PostgreSQL of development is used.)"


def parse_database_url(url: str, variable: str = "DATABASE_URL") -> dict[str, Any]:
    """Return NAME, USER, PASSWORD, HOST, PORT and OPTIONS of Django's DATABASES; of several hosts, with commas.

    A PORT and options that are numbers are integers. Raises ImproperlyConfigured, which names the `variable` and quotes no
    part of the URL: where a password isn't encoded as it has to be, each part may be one of it.
    """
    scheme, separator, rest = url.strip().partition("://")
    if not separator or scheme not in ("postgresql", "postgres"):
        raise _unusable(variable, "names no PostgreSQL database.")
    authority, slash, path = rest.partition("/")
    path, question, query = path.partition("?")
    if "@" in path:
        raise _unusable(variable, "has a / before its @, where a password has to have %2F.")
    try:
        parameters = parse_dsn(f"postgresql://{_authority(authority)}{slash}{path}{question}{_query(query)}")
    except ProgrammingError:
        # Not as its cause: libpq quotes what it can't read.
        what = "can't be read: its parameters aren't libpq's, or a % is none of %XX."
        raise _unusable(variable, what) from None
    settings = {name: parameters.pop(parameter, "") for parameter, name in _SETTINGS.items()}
    settings |= _socket_in_path(settings)
    if not settings["NAME"]:
        raise _unusable(variable, "names no PostgreSQL database.")
    if not _hosts_can_be_read(settings["HOST"].split(","), settings["PORT"].split(",")):
        raise _unusable(variable, "names a host that can't be read, or its port.")
    options = {name: _number(value) for name, value in parameters.items()}
    return {**settings, "PORT": _number(settings["PORT"]), "OPTIONS": options}


def _unusable(variable: str, why: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{variable} {why} {_EXPECTED}{_WITHOUT if variable == 'DATABASE_URL' else ''}")


def _authority(authority: str) -> str:
    """Return the authority with a user and a password that libpq reads: where there is an @ more, the last one ends them."""
    credentials, at, hosts = authority.rpartition("@")
    user, colon, password = credentials.partition(":")
    return f"{_encoded(user)}{colon}{_encoded(password)}{at}{hosts}"


def _query(query: str) -> str:
    """Return the parameters with values that libpq reads: it takes no = in them, as in options=-csearch_path=north."""
    parameters = (parameter.partition("=") for parameter in query.split("&"))
    return "&".join(f"{name}{equals}{_encoded(value)}" for name, equals, value in parameters)


def _encoded(text: str) -> str:
    return quote(unquote(text), safe="")


def _socket_in_path(settings: dict[str, str]) -> dict[str, str]:
    """Return the host and the database of a path that begins with a socket's folder, as in …@//run/postgresql/NAME."""
    folder, slash, name = settings["NAME"].rpartition("/")
    return {"HOST": folder, "NAME": name} if slash and folder.startswith("/") and not settings["HOST"] else {}


def _hosts_can_be_read(hosts: list[str], ports: list[str]) -> bool:
    """Whether no host of several is empty, which would be this machine, and each has a port, or none."""
    return (
        (len(hosts) == 1 or all(hosts))
        and len(ports) in (1, len(hosts))
        and all(not port or (port.isdecimal() and 0 < int(port) <= _HIGHEST_PORT) for port in ports)
    )


def _number(value: str) -> str | int:
    return int(value) if value.isdecimal() else value
