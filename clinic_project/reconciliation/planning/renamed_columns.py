"""Definitions that PostgreSQL printed, with other names for some of their columns."""

import re
from collections.abc import Mapping

from ..schema.model import Constraint, Index, identifier, table_sql_name, unquoted

# A text, which has no names in it; else a name, unless it is that of a function, a field, a type or a collation.
_NAME = re.compile(r"""'(?:[^']|'')*'|(?<![.:\w])(?<!COLLATE )(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)(?![\w$(."])""")

#: What follows the columns in the definition of a foreign key.
_ACTIONS = re.compile(r"(?: MATCH \w+)?(?: ON (?:UPDATE|DELETE) (?:[A-Z]+ ?)+(?:\([^()]*\))?)*$")


def with_columns(sql: str, names: Mapping[str, str]) -> str:
    """Return an expression, or a part of a definition, in which these columns have the other `names`.

    PostgreSQL prints the keywords of what it stored in capitals, and quotes names that are keywords or have capitals.
    """
    return _NAME.sub(lambda found: _renamed(found[0], names), sql)


def _renamed(token: str, names: Mapping[str, str]) -> str:
    name = unquoted(token)
    return identifier(names[name]) if name in names and not token.startswith("'") else token


def index_with_columns(index: Index, names: Mapping[str, str]) -> str:
    """Return the index's definition with other names. The access method, which comes first, might have a column's name."""
    method, parenthesis, rest = index.definition.partition("(")
    return method + parenthesis + with_columns(rest, names)


def foreign_key_with_columns(key: Constraint, names: Mapping[str, str], target_names: Mapping[str, str]) -> str:
    """Return the foreign key's definition with other names for its own columns and for those that it points to."""
    assert key.target is not None  # a foreign key has one  # noqa: S101
    own = ", ".join(identifier(names.get(column, column)) for column in key.columns)
    target = ", ".join(identifier(target_names.get(column, column)) for column in key.target_columns)
    actions = _ACTIONS.search(key.definition)
    assert actions is not None  # every part is optional  # noqa: S101
    return (
        f"FOREIGN KEY ({own}) REFERENCES {table_sql_name(*key.target)} ({target}){with_columns(actions[0], names)}"
        f"{f' {key.deferrability}' if key.deferrable else ''}"
    )
