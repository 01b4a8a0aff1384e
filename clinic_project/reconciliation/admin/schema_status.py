"""An Inspection → the status of every table, column, index and constraint, for a page to show. Asks no database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from ..comparison.differences import Difference, Extra, Kind
from ..pipeline import Inspection
from ..schema.model import Column, Constraint, Index, Table


class Status(StrEnum):
    AS_DECLARED = "as declared"
    DIFFERENT = "different"
    MISSING = "missing"
    BUILDING = "being built"
    LEFTOVER = "left over"
    UNDECLARED = "not declared"


@dataclass(frozen=True, slots=True)
class ObjectStatus:
    """The status of a column, index, constraint, or of what depends on a table. `lines` are pairs: declared, actual.

    `refused` says that it needs a person's decision, `blocked` that it is blocked by such a decision about something
    else; `remark` what else there is to know.
    """

    name: str
    status: Status
    lines: tuple[tuple[str, str], ...]
    refused: bool = False
    blocked: bool = False
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """All the columns of a table, or all its indexes, and so on."""

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
    """Return the status of the declared tables, by name, with all that they have or lack."""
    return [_TableInspection(inspection, table).status() for _, table in sorted(inspection.declared.tables.items())]


class _TableInspection:
    """What an inspection says of one declared table."""

    def __init__(self, inspection: Inspection, declared: Table) -> None:
        differences, plan = inspection.differences, inspection.plan
        actual = differences.actual.tables.get(declared.name)
        self.declared = declared
        self.is_missing = actual is None
        self.actual = actual or Table(declared.schema, declared.name)
        self.differences = [item for item in differences.items if item.table == declared.name]
        self.undeclared = [extra for extra in differences.extras if extra.table == declared.name]
        self.refused = {refusal.name for refusal in plan.refusals if refusal.table == declared.name}
        blocked = [place for refusal in plan.refusals for place in refusal.waiting]
        self.blocked = {name for table, name in blocked if table == declared.name}

    def status(self) -> TableStatus:
        parts = (self._table(), self._columns(), self._indexes(), self._constraints(), *self._dependents())
        return TableStatus(self.declared.name, self._own_status(), tuple(part for part in parts if part.objects))

    def _own_status(self) -> Status:
        if not self.differences:
            return Status.AS_DECLARED
        return _status_of(self.differences[0]) if self.is_missing else Status.DIFFERENT

    def _table(self) -> Part:
        items = [item for item in self.differences if not isinstance(_subject(item), Column | Index | Constraint)]
        return Part("Table", (self._different(self.declared.name, items),) if items else ())

    def _columns(self) -> Part:
        declared = [
            self._declared(column, column.definition, self._serial(column.name))
            for column in self.declared.columns.values()
        ]
        return Part("Columns", (*declared, *self._undeclared("column")))

    def _indexes(self) -> Part:
        own = [index for index in self.declared.indexes if index.constraint is None]
        declared = [self._declared(index, index.text) for index in own]
        return Part("Indexes", (*declared, *self._leftovers(Index), *self._undeclared("index")))

    def _constraints(self) -> Part:
        declared = [self._declared(constraint, constraint.text) for constraint in self.declared.constraints]
        return Part("Constraints", (*declared, *self._leftovers(Constraint), *self._undeclared("constraint")))

    def _dependents(self) -> Iterator[Part]:
        for kind, title in (("trigger", "Triggers"), ("rule", "Rules"), ("child", "Tables that inherit")):
            yield Part(title, tuple(self._undeclared(kind)))

    def _declared(self, declared: Column | Index | Constraint, text: str, remark: str = "") -> ObjectStatus:
        if self.is_missing:
            return ObjectStatus(declared.name, Status.MISSING, ((text, "nothing"),))
        items = [i for i in self.differences if i.name == declared.name and isinstance(_subject(i), type(declared))]
        if items:
            return self._different(declared.name, items)
        return ObjectStatus(declared.name, Status.AS_DECLARED, ((text, text),), remark=remark)

    def _different(self, name: str, items: Sequence[Difference]) -> ObjectStatus:
        lines = tuple((item.expected, _actual(item)) for item in items)
        # A refusal of the whole table is one of each of its parts.
        refused = not self.refused.isdisjoint({name, self.declared.name})
        blocked = not self.blocked.isdisjoint({name, self.declared.name})
        return ObjectStatus(name, _status_of(items[0]), lines, refused, blocked and not refused)

    def _leftovers(self, kind: type[Index] | type[Constraint]) -> Iterator[ObjectStatus]:
        for item in self.differences:
            if item.kind is Kind.LEFTOVER and isinstance(item.found, kind):
                yield self._different(item.name, [item])

    def _undeclared(self, kind: str) -> Iterator[ObjectStatus]:
        for extra in self.undeclared:
            if extra.kind == kind:
                lines = (("nothing", self._actual_text(extra)),)
                yield ObjectStatus(extra.name, Status.UNDECLARED, lines, remark=extra.warning)

    def _actual_text(self, extra: Extra) -> str:
        if extra.kind == "column":
            return self.actual.columns[extra.name].definition
        actual = self.actual.index(extra.name) if extra.kind == "index" else self.actual.constraint(extra.name)
        return actual.text if actual is not None else _DEPENDENTS[extra.kind]

    def _serial(self, name: str) -> str:
        column = self.actual.columns.get(name)
        if column is None or column.identity or column.sequence is None:
            return ""
        return f"as the equivalent serial, with values from {column.sequence.name}"


_DEPENDENTS = {"trigger": "a trigger", "rule": "a rule", "child": "a table that inherits"}


def _subject(item: Difference) -> object:
    return item.found if item.wanted is None else item.wanted


def _status_of(item: Difference) -> Status:
    if _is_being_built(item):
        return Status.BUILDING
    if item.kind is Kind.LEFTOVER:
        return Status.LEFTOVER
    missing = (Kind.TABLE_MISSING, Kind.COLUMN_MISSING, Kind.INDEX_MISSING, Kind.CONSTRAINT_MISSING)
    return Status.MISSING if item.kind in missing else Status.DIFFERENT


def _actual(item: Difference) -> str:
    return "another session is building it now" if _is_being_built(item) else item.actual


def _is_being_built(item: Difference) -> bool:
    return any(isinstance(index, Index) and index.building for index in (item.found, item.holder))
