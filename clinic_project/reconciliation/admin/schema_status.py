"""An Inspection → the status of every table, column, index and constraint, for the page. No database is queried."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from ..comparison.differences import (
    ColumnDifference,
    ConstraintDifference,
    Difference,
    FunctionDifference,
    IndexDifference,
    Kind,
    Leftover,
    MatchedIndex,
    MissingColumn,
    RejectedFunction,
    TriggerDifference,
    Undeclared,
    UndeclaredKind,
)
from ..pipeline import Inspection
from ..schema.model import Constraint, Index, Table


class Status(StrEnum):
    AS_DECLARED = "as declared"
    DIFFERENT = "different"
    MISSING = "missing"
    BUILDING = "being built"
    LEFTOVER = "left over"
    UNDECLARED = "not declared"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class ObjectStatus:
    """The status of a column, an index, a constraint, or of what depends on a table. `lines` are pairs: declared, actual.

    `refused` is whether it needs a person's decision, `blocked` whether a decision about something else blocks it.
    """

    name: str
    status: Status
    lines: tuple[tuple[str, str], ...]
    refused: bool = False
    blocked: bool = False
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """All columns of a table, or all its indexes, and so on."""

    title: str
    objects: tuple[ObjectStatus, ...]


@dataclass(frozen=True)
class TableStatus:
    name: str
    status: Status
    parts: tuple[Part, ...]

    @cached_property
    def counts(self) -> dict[Status, int]:
        found = [item.status for part in self.parts for item in part.objects]
        return {status: found.count(status) for status in Status if status in found}


def schema_status(inspection: Inspection) -> list[TableStatus]:
    """Return the status of the declared tables, by name, and of all their parts, declared or not."""
    return [_TableInspection(inspection, table).status() for _, table in sorted(inspection.declared.tables.items())]


_Types = type[Difference] | tuple[type[Difference], ...]

_OF_COLUMNS = (MissingColumn, ColumnDifference)

#: Differences of parts of a table, not of the table itself.
_OF_PARTS = (*_OF_COLUMNS, IndexDifference, ConstraintDifference, TriggerDifference, Leftover)

_MISSING = frozenset(
    {
        Kind.TABLE_MISSING,
        Kind.COLUMN_MISSING,
        Kind.INDEX_MISSING,
        Kind.CONSTRAINT_MISSING,
        Kind.TRIGGER_MISSING,
        Kind.FUNCTION_MISSING,
    }
)

_DEPENDENTS = {
    UndeclaredKind.RULE: "Rules",
    UndeclaredKind.CHILD: "Tables that inherit",
}


class _TableInspection:
    """The part of an inspection that is about one declared table."""

    def __init__(self, inspection: Inspection, declared: Table) -> None:
        differences, plan = inspection.differences, inspection.plan
        actual = differences.actual.tables.get(declared.name)
        self.declared = declared
        self.is_missing = actual is None
        self.actual = actual or Table(declared.schema, declared.name)
        found: list[Difference | Undeclared] = [*differences.items, *differences.undeclared, *differences.ignored]
        of_table = [item for item in found if item.table == declared.name]
        self.differences = [item for item in of_table if isinstance(item, Difference)]
        self.undeclared = [item for item in of_table if isinstance(item, Undeclared)]
        self.ignored = {item.name for item in differences.ignored if item.table == declared.name}
        self.refused = {refusal.name for refusal in plan.refusals if refusal.table == declared.name}
        blocked = [reference for refusal in plan.refusals for reference in refusal.blocked]
        self.blocked = {reference.name for reference in blocked if reference.table == declared.name}

    def status(self) -> TableStatus:
        own = (self._table(), self._columns(), self._indexes(), self._constraints(), self._triggers())
        parts = (*own, *self._dependents())
        return TableStatus(self.declared.name, self._own_status(), tuple(part for part in parts if part.objects))

    def _own_status(self) -> Status:
        if self.is_missing:
            return self._status_of(self.differences[0])
        meant = all(item.name in self.ignored for item in self.differences)
        return Status.AS_DECLARED if meant else Status.DIFFERENT

    def _table(self) -> Part:
        items = [item for item in self.differences if not isinstance(item, _OF_PARTS)]
        return Part("Table", (self._different(self.declared.name, items),) if items else ())

    def _columns(self) -> Part:
        declared = [
            self._declared(column.name, _OF_COLUMNS, column.definition, self._serial(column.name))
            for column in self.declared.columns.values()
        ]
        return Part("Columns", (*declared, *self._undeclared(UndeclaredKind.COLUMN)))

    def _indexes(self) -> Part:
        own = [index for index in self.declared.indexes if index.constraint is None]
        declared = [self._declared(index.name, IndexDifference, index.sql) for index in own]
        return Part("Indexes", (*declared, *self._leftovers(Index), *self._undeclared(UndeclaredKind.INDEX)))

    def _constraints(self) -> Part:
        declared = [
            self._declared(constraint.name, ConstraintDifference, constraint.sql)
            for constraint in self.declared.constraints
        ]
        return Part(
            "Constraints", (*declared, *self._leftovers(Constraint), *self._undeclared(UndeclaredKind.CONSTRAINT))
        )

    def _triggers(self) -> Part:
        declared = [self._declared(trigger.name, TriggerDifference, trigger.sql) for trigger in self.declared.triggers]
        return Part("Triggers", (*declared, *self._undeclared(UndeclaredKind.TRIGGER)))

    def _dependents(self) -> Iterator[Part]:
        for kind, title in _DEPENDENTS.items():
            yield Part(title, tuple(self._undeclared(kind)))

    def _declared(self, name: str, differences: _Types, text: str, remark: str = "") -> ObjectStatus:
        """Return the status of a declared object. `differences` are the types of those that are about such an object."""
        if self.is_missing:
            status = Status.IGNORED if self.declared.name in self.ignored else Status.MISSING
            return ObjectStatus(name, status, ((text, "nothing"),))
        items = [item for item in self.differences if item.name == name and isinstance(item, differences)]
        if items:
            return self._different(name, items)
        return ObjectStatus(name, Status.AS_DECLARED, ((text, text),), remark=remark)

    def _different(self, name: str, items: Sequence[Difference]) -> ObjectStatus:
        lines = tuple((item.declared_text, _actual(item)) for item in items)
        # A refusal of the whole table applies to each of its parts.
        refused = not self.refused.isdisjoint({name, self.declared.name})
        blocked = not self.blocked.isdisjoint({name, self.declared.name})
        return ObjectStatus(name, self._status_of(items[0]), lines, refused, blocked and not refused)

    def _status_of(self, item: Difference) -> Status:
        return Status.IGNORED if item.name in self.ignored else _status_of(item)

    def _leftovers(self, kind: type[Index] | type[Constraint]) -> Iterator[ObjectStatus]:
        for item in self.differences:
            if isinstance(item, Leftover) and isinstance(item.actual, kind):
                yield self._different(item.name, [item])

    def _undeclared(self, kind: UndeclaredKind) -> Iterator[ObjectStatus]:
        for item in self.undeclared:
            if item.kind is kind:
                lines = (("nothing", self._actual_text(item)),)
                ignored = item.name in self.ignored
                status, remark = (Status.IGNORED, "") if ignored else (Status.UNDECLARED, item.warning)
                yield ObjectStatus(item.name, status, lines, remark=remark)

    def _actual_text(self, item: Undeclared) -> str:
        if item.kind is UndeclaredKind.COLUMN:
            return self.actual.columns[item.name].definition
        find = self.actual.index if item.kind is UndeclaredKind.INDEX else self.actual.constraint
        actual = find(item.name)
        return actual.sql if actual is not None else item.kind.label

    def _serial(self, name: str) -> str:
        column = self.actual.columns.get(name)
        if column is None or column.identity or column.sequence is None:
            return ""
        return f"as the equivalent serial, with values from {column.sequence.name}"


def functions_status(inspection: Inspection) -> Part:
    """Return the status of the declared functions, which belong to no table."""
    shown = {
        key: ObjectStatus(key, Status.AS_DECLARED, ((function.digest, function.digest),))
        for key, function in inspection.declared.functions.items()
    }
    refused = {refusal.name for refusal in inspection.plan.refusals}
    for items, ignored in ((inspection.differences.ignored, True), (inspection.differences.items, False)):
        for item in items:
            if isinstance(item, FunctionDifference | RejectedFunction):
                lines = ((item.declared_text, item.actual_text),)
                status = Status.IGNORED if ignored else _status_of(item)
                shown[item.name] = ObjectStatus(item.name, status, lines, refused=item.name in refused)
    return Part("Definitions", tuple(shown.values()))


def _status_of(item: Difference) -> Status:
    if _is_being_built(item):
        return Status.BUILDING
    if item.kind is Kind.LEFTOVER:
        return Status.LEFTOVER
    return Status.MISSING if item.kind in _MISSING else Status.DIFFERENT


def _actual(item: Difference) -> str:
    return "another session is building it now" if _is_being_built(item) else item.actual_text


def _is_being_built(item: Difference) -> bool:
    indexes: list[Index | Constraint | None] = []
    if isinstance(item, IndexDifference):
        indexes.append(item.conflicting)
    if isinstance(item, MatchedIndex | Leftover):
        indexes.append(item.actual)
    return any(isinstance(index, Index) and index.building for index in indexes)
