"""Queries for the rows that make a step fail: for their number and some of their keys, never for their contents."""

from collections.abc import Sequence

from ...schema.model import Column, Constraint, Index, Table, identifier, literal, table_sql_name
from ...sqlstates import CHECK_VIOLATION, FOREIGN_KEY_VIOLATION, NOT_NULL_VIOLATION, UNIQUE_VIOLATION
from .. import refusals
from ..plan import Backfill, CountPhrase, Refusal, RefusedRows, ViolationQuery
from .conversions import CREATE_INPUT_IS_VALID, OWN_INPUT_IS_VALID

#: How many keys a refusal shows, at most.
MAX_SHOWN_KEYS = 5


def any_rows(table: Table, refusal: Refusal) -> ViolationQuery:
    sql = f"SELECT count(*), NULL FROM {table.sql_name}"
    return ViolationQuery(sql, refusal, CountPhrase("row", "rows"), (NOT_NULL_VIOLATION,))


def fill_value(table: Table, column: Column) -> str | None:
    """Return the SQL value that a backfill sets where the column is NULL; None if there is none, or rows never change."""
    return None if table.append_only else column.backfill_value


def nulls(table: Table, column: Column, backfill: Backfill | None) -> ViolationQuery:
    """Query for the NULLs that make a step fail: where there is a `backfill`, those that are there after it."""
    rows = f"SELECT {_key(table)} AS key FROM {table.sql_name} WHERE {identifier(column.name)} IS NULL"
    if table.append_only:
        refusal = refusals.append_only(table, column, "{rows} NULL")
    elif backfill is None:
        refusal = refusals.nulls_without_default(table, column)
    else:
        refusal = refusals.nulls_kept(table, column, backfill)
    return ViolationQuery(
        _counting(table, rows),
        refusal,
        CountPhrase("row is", "rows are"),
        (NOT_NULL_VIOLATION, CHECK_VIOLATION),
        after_backfill=backfill is not None,
    )


def misfits(table: Table, condition: str) -> RefusedRows:
    """Count the values that can't be converted to the declared type."""
    rows = f"SELECT {_key(table)} AS key FROM {table.sql_name} WHERE {condition}"
    create = CREATE_INPUT_IS_VALID if OWN_INPUT_IS_VALID in condition else ""
    return RefusedRows(_counting(table, rows), CountPhrase("value doesn't fit", "values don't fit"), create)


_OCCURS = CountPhrase("value occurs", "values occur")


def refused_duplicates(table: Table, declared: Constraint) -> RefusedRows:
    """Count the values that occur more than once in the columns of a key that a person has to add."""
    assert declared.index is not None  # a key has one  # noqa: S101
    phrase = CountPhrase(f"{_OCCURS.singular} more than once", f"{_OCCURS.plural} more than once")
    return RefusedRows(_counting_duplicates(table, declared.index), phrase)


def duplicates(table: Table, name: str, index: Index) -> ViolationQuery:
    sql = _counting_duplicates(table, index)
    return ViolationQuery(sql, refusals.duplicates(table, name), _OCCURS, (UNIQUE_VIOLATION,))


def _counting_duplicates(table: Table, index: Index) -> str:
    keys = ", ".join(index.keys)
    conditions = [] if "NULLS NOT DISTINCT" in index.body else [f"{key} IS NOT NULL" for key in index.keys]
    if index.predicate:
        conditions.append(index.predicate)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    text = f"{keys}::text" if len(index.keys) == 1 else f"({keys})::text"
    rows = f"SELECT {text} AS key FROM {table.sql_name}{where} GROUP BY {keys} HAVING count(*) > 1"
    return f"WITH found AS ({rows}) SELECT count(*), {_some_keys(keys)} FROM found"


def orphans(table: Table, constraint: Constraint) -> ViolationQuery:
    assert constraint.target is not None  # a foreign key has one  # noqa: S101
    pairs = list(zip(constraint.columns, constraint.target_columns, strict=True))
    present = " AND ".join(f"c.{identifier(column)} IS NOT NULL" for column, _ in pairs)
    joined = " AND ".join(f"p.{identifier(target)} = c.{identifier(column)}" for column, target in pairs)
    rows = (
        f"SELECT {_key(table, 'c.')} || ' -> ' || {_row_text(constraint.columns, 'c.')} AS key"
        f" FROM {table.sql_name} c WHERE {present}"
        f" AND NOT EXISTS (SELECT FROM {table_sql_name(*constraint.target)} p WHERE {joined})"
    )
    return ViolationQuery(
        _counting(table, rows),
        refusals.orphan_rows(table, constraint, constraint.target[1]),
        CountPhrase("row points", "rows point"),
        (FOREIGN_KEY_VIOLATION,),
    )


def check_violations(table: Table, constraint: Constraint) -> ViolationQuery:
    expression = constraint.definition.removeprefix("CHECK ").removesuffix(" NO INHERIT")
    rows = f"SELECT {_key(table)} AS key FROM {table.sql_name} WHERE NOT {expression}"
    return ViolationQuery(
        _counting(table, rows),
        refusals.check_violations(table, constraint, expression),
        CountPhrase("row breaks", "rows break"),
        (CHECK_VIOLATION,),
    )


def _counting(table: Table, rows: str) -> str:
    key_name = "ctid" if table.primary_key is None else ", ".join(table.primary_key.columns)
    return f"WITH found AS ({rows}) SELECT count(*), {_some_keys(key_name)} FROM found"


def _some_keys(key_name: str) -> str:
    shown = f"SELECT key FROM found LIMIT {MAX_SHOWN_KEYS}"
    return f"{literal(f'{key_name} ')} || (SELECT string_agg(key, ', ') FROM ({shown}) AS shown)"


def _key(table: Table, alias: str = "") -> str:
    """Return the SQL of a row's primary key as text; of its ctid where the table has no primary key."""
    if table.primary_key is None:
        return f"{alias}ctid::text"
    return _row_text(table.primary_key.columns, alias)


def _row_text(columns: Sequence[str], alias: str = "") -> str:
    if len(columns) == 1:
        return f"{alias}{identifier(columns[0])}::text"
    return f"({', '.join(alias + identifier(column) for column in columns)})::text"
