"""The rows that stand in a repair's way, as queries for their number and some of their keys. Never for their contents."""

from collections.abc import Sequence

from ...schema.model import Column, Constraint, Index, Table, identifier
from ..plan import Guard

#: How many keys a refusal shows.
SHOWN_KEYS = 5

NOT_NULL_VIOLATION = "23502"
FOREIGN_KEY_VIOLATION = "23503"
UNIQUE_VIOLATION = "23505"
CHECK_VIOLATION = "23514"


def any_rows(table: Table, name: str, reason: str, remedy: str, *, code: str) -> Guard:
    sql = f"SELECT count(*), NULL FROM {table.sql_name}"
    return Guard(sql, code, table.name, name, reason, remedy, (NOT_NULL_VIOLATION,))


def nulls(table: Table, column: Column) -> Guard:
    name = identifier(column.name)
    rows = _counting(table, f"SELECT {_key(table)} AS key FROM {table.sql_name} WHERE {name} IS NULL")
    what = "{count} rows are NULL in a column that is declared NOT NULL"
    if column.value_for_nulls is None:
        code, reason = "nulls-without-default", f"{what} and has no default to fill them with ({{keys}})."
        remedy = (
            f"Give them a value, then run migrate again: UPDATE {table.sql_name} SET {name} = … WHERE {name} IS NULL"
        )
    else:
        code, reason = "nulls-kept", f"{what}, and stayed so when they were given its default ({{keys}})."
        remedy = (
            "See which trigger or rule of the table keeps them from being changed, disable it for the time of the repair"
            f" (ALTER TABLE {table.sql_name} DISABLE TRIGGER …, or RULE …), and run migrate again."
        )
    return Guard(rows, code, table.name, column.name, reason, remedy, (NOT_NULL_VIOLATION, CHECK_VIOLATION))


def duplicates(table: Table, name: str, index: Index) -> Guard:
    keys = ", ".join(index.keys)
    conditions = [] if "NULLS NOT DISTINCT" in index.body else [f"{key} IS NOT NULL" for key in index.keys]
    if index.predicate:
        conditions.append(index.predicate)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    text = f"{keys}::text" if len(index.keys) == 1 else f"({keys})::text"
    rows = f"SELECT {text} AS key FROM {table.sql_name}{where} GROUP BY {keys} HAVING count(*) > 1"
    return Guard(
        f"WITH found AS ({rows}) SELECT count(*), {_some_keys(keys)} FROM found",
        "duplicates",
        table.name,
        name,
        "{count} values occur more than once where they must be unique ({keys}).",
        "Decide which of the rows to keep, change or remove the others, then run migrate again.",
        (UNIQUE_VIOLATION,),
    )


def orphans(table: Table, constraint: Constraint) -> Guard:
    assert constraint.target is not None  # it is a foreign key  # noqa: S101
    pairs = list(zip(constraint.columns, constraint.target_columns, strict=True))
    present = " AND ".join(f"c.{identifier(column)} IS NOT NULL" for column, _ in pairs)
    joined = " AND ".join(f"p.{identifier(target)} = c.{identifier(column)}" for column, target in pairs)
    target = identifier(*constraint.target)
    columns = ", ".join(constraint.columns)
    return Guard(
        _counting(
            table,
            f"SELECT {_key(table, 'c.')} || ' -> ' || {_row_text(constraint.columns, 'c.')} AS key"
            f" FROM {table.sql_name} c WHERE {present} AND NOT EXISTS (SELECT FROM {target} p WHERE {joined})",
        ),
        "orphan-rows",
        table.name,
        constraint.name,
        f"{{count}} rows point by {columns} to rows of {constraint.target[1]} that don't exist ({{keys}}). New rows are"
        " guarded by the foreign key, NOT VALID until these are settled.",
        "Restore the missing rows, or correct or remove these, then run migrate again.",
        (FOREIGN_KEY_VIOLATION,),
    )


def violators(table: Table, constraint: Constraint) -> Guard:
    expression = constraint.definition.removeprefix("CHECK ").removesuffix(" NO INHERIT")
    return Guard(
        _counting(table, f"SELECT {_key(table)} AS key FROM {table.sql_name} WHERE NOT {expression}"),
        "check-violations",
        table.name,
        constraint.name,
        f"{{count}} rows break {expression} ({{keys}}). New rows are guarded by the constraint, NOT VALID until these"
        " are settled.",
        "Correct these rows, then run migrate again.",
        (CHECK_VIOLATION,),
    )


def _counting(table: Table, rows: str) -> str:
    label = "place" if table.primary_key is None else ", ".join(table.primary_key.columns)
    return f"WITH found AS ({rows}) SELECT count(*), {_some_keys(label)} FROM found"


def _some_keys(label: str) -> str:
    quoted = "'{} '".format(label.replace("'", "''"))
    return f"{quoted} || (SELECT string_agg(key, ', ') FROM (SELECT key FROM found LIMIT {SHOWN_KEYS}) AS shown)"


def _key(table: Table, alias: str = "") -> str:
    """Return the SQL of a row's key as text; where the table has none, of its place."""
    if table.primary_key is None:
        return f"{alias}ctid::text"
    return _row_text(table.primary_key.columns, alias)


def _row_text(columns: Sequence[str], alias: str = "") -> str:
    if len(columns) == 1:
        return f"{alias}{identifier(columns[0])}::text"
    return f"({', '.join(alias + identifier(column) for column in columns)})::text"
