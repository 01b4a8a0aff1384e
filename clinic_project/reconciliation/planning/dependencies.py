"""What a difference can't be settled without, and what others can't be settled without it."""

from collections.abc import Iterator
from enum import StrEnum

from ..comparison.differences import Difference, Kind
from ..schema.model import Column, Constraint, Index, Schema, Table
from .plan import Footing


class Is(StrEnum):
    """What is true of a table, of some columns of it, or of a name."""

    A_TABLE = "a table"
    LOGGED = "logged"
    THERE = "there, of the declared type"
    NOT_NULL = "not null"
    OUTSIDE_KEY = "outside of the primary key"
    A_KEY = "a key"
    PROVED = "proved for all rows"
    FREE = "free"


_OF_TABLES = {Kind.TABLE_MISSING: Is.A_TABLE, Kind.TABLE_NOT_A_TABLE: Is.A_TABLE, Kind.TABLE_UNLOGGED: Is.LOGGED}
_OF_COLUMNS = {
    Kind.COLUMN_MISSING: (Is.THERE, Is.NOT_NULL),
    Kind.COLUMN_TYPE: (Is.THERE,),
    Kind.COLUMN_NULLABLE: (Is.NOT_NULL,),
    Kind.COLUMN_NOT_NULL_UNVALIDATED: (Is.NOT_NULL,),
}
_OF_KEYS = (Kind.CONSTRAINT_MISSING, Kind.CONSTRAINT_DEFINITION, Kind.KEY_INDEX_INVALID)


def given_by(item: Difference) -> frozenset[Footing]:
    """Return what others may stand on, once the difference is settled."""
    if item.kind in _OF_TABLES:
        return frozenset({Footing(_OF_TABLES[item.kind], item.table)})
    if item.kind in _OF_COLUMNS:
        return frozenset(Footing(what, item.table, (item.name,)) for what in _OF_COLUMNS[item.kind])
    if item.kind in _OF_KEYS and item.wanted.kind in "pu":
        return frozenset({Footing(Is.A_KEY, item.table, item.wanted.columns), *_outside_key(item)})
    if item.kind is Kind.CONSTRAINT_UNVALIDATED:
        return frozenset({Footing(Is.PROVED, item.table, (item.name,))})
    if item.kind is Kind.INDEX_NAME or (item.kind is Kind.CONSTRAINT_NAME and item.found.index is not None):
        return frozenset({free(item.found.name)})
    return frozenset()


def _outside_key(item: Difference) -> Iterator[Footing]:
    """Yield what becomes of the columns of another primary key: only then may they be NULL."""
    if item.holder is not None and item.holder.kind == "p":
        yield from (Footing(Is.OUTSIDE_KEY, item.table, (column,)) for column in item.holder.columns)


def needed_by(item: Difference, actual: Schema) -> frozenset[Footing]:
    """Return what the difference can't be settled without."""
    match item.wanted:
        case Column() if item.kind not in (Kind.COLUMN_MISSING, Kind.COLUMN_TYPE, Kind.COLUMN_NOT_NULL_NAME):
            return _needed_by_column(item)
        case Index() if item.kind is not Kind.INDEX_PARAMETERS:
            return _needed_by_index(item)
        case Constraint() if item.kind is not Kind.CONSTRAINT_DEFERRABILITY:
            return _needed_by_constraint(item, actual)
    return frozenset()


def _needed_by_column(item: Difference) -> frozenset[Footing]:
    also = {Kind.KEY_WITHOUT_GENERATOR: (Is.NOT_NULL,), Kind.COLUMN_NOT_NULL: (Is.OUTSIDE_KEY,)}
    return frozenset(Footing(what, item.table, (item.name,)) for what in (Is.THERE, *also.get(item.kind, ())))


def _needed_by_index(item: Difference) -> frozenset[Footing]:
    columns = () if item.kind is Kind.INDEX_NAME else item.wanted.columns
    return frozenset({free(item.name), *(Footing(Is.THERE, item.table, (column,)) for column in columns)})


def _needed_by_constraint(item: Difference, actual: Schema) -> frozenset[Footing]:
    name = frozenset() if item.wanted.index is None else frozenset({free(item.name)})
    if item.kind is Kind.CONSTRAINT_NAME:
        return name
    needed = name | needed_by_constraint(item.table, item.wanted, actual)
    if item.kind is Kind.CONSTRAINT_DEFINITION:
        # What it replaces guards the rows until then.
        needed |= {Footing(Is.PROVED, item.table, (item.name,))}
    return needed


def needed_by_constraint(table: str, wanted: Constraint, actual: Schema) -> frozenset[Footing]:
    needed = {Footing(Is.THERE, table, (column,)) for column in wanted.columns}
    if wanted.kind == "p":
        needed |= {Footing(Is.NOT_NULL, table, (column,)) for column in wanted.columns}
    if wanted.target is not None:
        needed.update(_needed_of_parent(table, wanted, wanted.target[1], actual))
    return frozenset(needed)


def _needed_of_parent(table: str, wanted: Constraint, parent: str, actual: Schema) -> Iterator[Footing]:
    yield from (Footing(Is.THERE, parent, (column,)) for column in wanted.target_columns)
    if not has_key(actual.tables.get(parent), wanted.target_columns):
        yield Footing(Is.A_KEY, parent, wanted.target_columns)
    if parent != table:
        yield Footing(Is.A_TABLE, parent)
        # Only an UNLOGGED table may point to another.
        if table not in actual.tables or actual.tables[table].logged:
            yield Footing(Is.LOGGED, parent)


def has_key(table: Table | None, columns: tuple[str, ...]) -> bool:
    """Whether a foreign key may point to the columns: https://www.postgresql.org/docs/current/ddl-constraints.html"""
    return table is not None and any(
        index.valid
        and index.unique
        and index.predicate is None
        and not _is_deferrable(table, index)
        and {_unquoted(key) for key in index.keys} == set(columns)
        for index in table.indexes
    )


def _is_deferrable(table: Table, index: Index) -> bool:
    constraint = table.constraint(index.constraint) if index.constraint is not None else None
    return constraint is not None and constraint.deferrable


def _unquoted(key: str) -> str:
    return key[1:-1].replace('""', '"') if key.startswith('"') else key


def free(name: str) -> Footing:
    """Return that nothing has the name, which an index shares with all relations of the schema."""
    return Footing(Is.FREE, "", (name,))
