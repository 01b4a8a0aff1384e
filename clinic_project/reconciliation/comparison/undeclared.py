"""Actual objects that match no declared one: what interrupted repairs left, and what no model declares."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..schema.model import (
    Column,
    Constraint,
    HelperRole,
    Index,
    Table,
    helper_name,
    identifier,
    is_helper_name,
    is_wide_name,
)
from .differences import (
    ConstraintDifference,
    Difference,
    IndexDifference,
    Kind,
    Leftover,
    MissingConstraint,
    Undeclared,
    UndeclaredKind,
    WrongConstraint,
)
from .matching import Matches, match
from .triggers import matching_triggers


@dataclass(frozen=True)
class Unclaimed:
    """The indexes and constraints of an actual table that match no declared one.

    `conflicting` are the names of those that conflict with a declared one, and are reported with it.
    """

    declared: Table
    actual: Table
    indexes: Sequence[Index]
    constraints: Sequence[Constraint]
    conflicting: Collection[str]

    @classmethod
    def of(cls, declared: Table, actual: Table, matches: Matches, differences: Sequence[Difference]) -> "Unclaimed":
        used_indexes = matches.claimed_indexes | set(_usable_indexes(differences))
        matched = match(declared.constraints, [c for c in actual.constraints if c.enforced]).values()
        claimed = {constraint.name for constraint in matched}
        return cls(
            declared,
            actual,
            [index for index in actual.indexes if index.constraint is None and index.name not in used_indexes],
            [constraint for constraint in actual.constraints if constraint.name not in claimed],
            set(_conflicting(differences)),
        )


def _usable_indexes(differences: Sequence[Difference]) -> Iterator[str]:
    for item in differences:
        if isinstance(item, MissingConstraint | WrongConstraint) and item.usable_index is not None:
            yield item.usable_index.name


def _conflicting(differences: Sequence[Difference]) -> Iterator[str]:
    for item in differences:
        if isinstance(item, IndexDifference | ConstraintDifference) and item.conflicting is not None:
            yield item.conflicting.name


def leftovers(unclaimed: Unclaimed) -> Iterator[Difference]:
    """Yield what interrupted repairs and REINDEX CONCURRENTLY left, apart from what can still be used."""
    table = unclaimed.actual.name
    for index in unclaimed.indexes:
        if _is_leftover(index.name, index.columns) or _is_reindex_leftover(index):
            yield Leftover(table, Kind.LEFTOVER, index.name, "nothing", f"index {index.sql}", index)
    in_use = {*unclaimed.conflicting, *_helper_checks(unclaimed.declared, unclaimed.actual)}
    for constraint in unclaimed.constraints:
        columns = (*constraint.columns, *constraint.target_columns)
        if _is_leftover(constraint.name, columns) and constraint.name not in in_use:
            text = f"constraint {constraint.sql}"
            yield Leftover(table, Kind.LEFTOVER, constraint.name, "nothing", text, constraint)


def _is_leftover(name: str, columns: Iterable[str]) -> bool:
    """Whether an interrupted repair left it, or the replacement of a key, which goes on while its column has such a name."""
    return is_helper_name(name) or (is_wide_name(name) and not any(map(is_wide_name, columns)))


def _is_reindex_leftover(index: Index) -> bool:
    """Whether REINDEX CONCURRENTLY left it: https://www.postgresql.org/docs/current/sql-reindex.html"""
    return not index.valid and re.search(r"_cc(new|old)\d*$", index.name) is not None


def _helper_checks(declared: Table, actual: Table) -> set[str]:
    """Return the names of the helper checks of columns that have yet to become NOT NULL."""
    columns = [column for column in declared.columns.values() if column.not_null and column.name in actual.columns]
    nullable = [column.name for column in columns if not actual.columns[column.name].not_null]
    return {helper_name(HelperRole.CHECK, actual.name, name) for name in nullable}


def undeclared_objects(unclaimed: Unclaimed) -> Iterator[Undeclared]:
    """Yield what no model declares, apart from what is reported with a declared object."""
    declared, actual = unclaimed.declared, unclaimed.actual
    for column in actual.columns.values():
        if column.name not in declared.columns:
            yield Undeclared(actual.name, UndeclaredKind.COLUMN, column.name, _column_warning(column))
    names = {*unclaimed.conflicting} | {c.name for c in declared.constraints} | {i.name for i in declared.indexes}
    for index in unclaimed.indexes:
        if index.name not in names and not _is_ours(index.name) and not _is_reindex_leftover(index):
            yield Undeclared(actual.name, UndeclaredKind.INDEX, index.name, _index_warning(actual, index))
    for constraint in unclaimed.constraints:
        if constraint.name not in names and not _is_ours(constraint.name):
            yield Undeclared(actual.name, UndeclaredKind.CONSTRAINT, constraint.name, _constraint_warning(constraint))
    yield from _dependents(declared, actual)


def _is_ours(name: str) -> bool:
    return is_helper_name(name) or is_wide_name(name)


_RULE_WARNING = "it rewrites statements, those of repairs too, and may redirect their rows"

_CHILD_WARNING = (
    "it inherits from this table. Queries and backfills of this table include its rows, and columns are added and made NOT"
    " NULL there as well, but the keys, foreign keys and indexes of this table don't apply to them"
)


def _dependents(declared: Table, table: Table) -> Iterator[Undeclared]:
    claimed = {trigger.name for trigger in matching_triggers(declared, table).values()}
    for trigger in table.triggers:
        if trigger.name not in claimed and not is_wide_name(trigger.name):
            yield Undeclared(table.name, UndeclaredKind.TRIGGER, trigger.name)
    yield from (Undeclared(table.name, UndeclaredKind.RULE, name, _RULE_WARNING) for name in table.rules)
    yield from (Undeclared(table.name, UndeclaredKind.CHILD, name, _CHILD_WARNING) for name in table.children)


def _column_warning(column: Column) -> str:
    if is_wide_name(column.name):
        return "widen_keys fills it, and was interrupted. Run that again as it was run: it goes on where it was"
    if column.rejects_rows:
        return (
            "it is NOT NULL without a default, so every INSERT that doesn't name it fails, this project's as well. Give it a"
            f" default (ALTER COLUMN {identifier(column.name)} SET DEFAULT a value), let it be NULL"
            f" (ALTER COLUMN {identifier(column.name)} DROP NOT NULL), or declare it in the model"
        )
    return ""


def _constraint_warning(constraint: Constraint) -> str:
    """Django's own foreign keys have no actions."""
    action = re.search(r" ON DELETE (CASCADE|SET NULL|SET DEFAULT)", constraint.definition)
    if constraint.target is None or action is None:
        return ""
    verb = "deletes" if action[1] == "CASCADE" else "changes"
    return f"its{action[0]} {verb} rows of this table when the rows that they point to are deleted"


def _index_warning(table: Table, index: Index) -> str:
    if not index.valid:
        return "it is INVALID: every write has to update it, and no query uses it"
    equal = next((i for i in table.indexes if i.signature == index.signature and i.name != index.name), None)
    return f"it is a duplicate of {equal.name}, and every write has to update both" if equal else ""
