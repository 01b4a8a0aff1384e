"""An Inspection → a mark on every table, column, index and constraint, for a page to show. Nothing here asks a database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from ..comparison.differences import Difference, Extra, Kind
from ..pipeline import Inspection
from ..schema.model import Column, Constraint, Index, Table


class Mark(StrEnum):
    AS_DECLARED = "as declared"
    DIFFERENT = "different"
    MISSING = "missing"
    BUILDING = "being built"
    LEFTOVER = "left over"
    UNDECLARED = "not declared"


@dataclass(frozen=True, slots=True)
class Marked:
    """A column, index, constraint, or what hangs on a table. `lines` are pairs: what is declared, what was found.

    `refused` says that only a person can decide about it, `waiting` that it waits for such a decision about something
    else; `remark` what else there is to know.
    """

    name: str
    mark: Mark
    lines: tuple[tuple[str, str], ...]
    refused: bool = False
    waiting: bool = False
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """All the columns of a table, or all its indexes, and so on."""

    title: str
    objects: tuple[Marked, ...]


@dataclass(frozen=True)
class MarkedTable:
    name: str
    mark: Mark
    parts: tuple[Part, ...]

    @cached_property
    def counts(self) -> dict[Mark, int]:
        marks = [marked.mark for part in self.parts for marked in part.objects]
        return {mark: marks.count(mark) for mark in Mark if mark in marks}


def mark_tables(inspection: Inspection) -> list[MarkedTable]:
    """Return the declared tables by name, and all that they have or lack."""
    return [_TableMarker(inspection, table).mark() for _, table in sorted(inspection.declared.tables.items())]


class _TableMarker:
    def __init__(self, inspection: Inspection, wanted: Table) -> None:
        differences, plan = inspection.differences, inspection.plan
        found = differences.actual.tables.get(wanted.name)
        self.wanted = wanted
        self.absent = found is None
        self.found = found or Table(wanted.schema, wanted.name)
        self.items = [item for item in differences.items if item.table == wanted.name]
        self.extras = [extra for extra in differences.extras if extra.table == wanted.name]
        self.refused = {refusal.name for refusal in plan.refusals if refusal.table == wanted.name}
        waiting = [place for refusal in plan.refusals for place in refusal.waiting]
        self.waiting = {name for table, name in waiting if table == wanted.name}

    def mark(self) -> MarkedTable:
        parts = (self._itself(), self._columns(), self._indexes(), self._constraints(), *self._hangers_on())
        return MarkedTable(self.wanted.name, self._mark(), tuple(part for part in parts if part.objects))

    def _mark(self) -> Mark:
        if self.items:
            return _mark_of(self.items[0]) if self.absent else Mark.DIFFERENT
        return Mark.AS_DECLARED

    def _itself(self) -> Part:
        of_table = [item for item in self.items if not isinstance(_subject(item), Column | Index | Constraint)]
        return Part("Table", (self._differing(self.wanted.name, of_table),) if of_table else ())

    def _columns(self) -> Part:
        declared = [
            self._declared(column, column.definition, self._serial(column.name))
            for column in self.wanted.columns.values()
        ]
        return Part("Columns", (*declared, *self._undeclared("column")))

    def _indexes(self) -> Part:
        own = [index for index in self.wanted.indexes if index.constraint is None]
        declared = [self._declared(index, index.text) for index in own]
        return Part("Indexes", (*declared, *self._leftovers(Index), *self._undeclared("index")))

    def _constraints(self) -> Part:
        declared = [self._declared(constraint, constraint.text) for constraint in self.wanted.constraints]
        return Part("Constraints", (*declared, *self._leftovers(Constraint), *self._undeclared("constraint")))

    def _hangers_on(self) -> Iterator[Part]:
        for kind, title in (("trigger", "Triggers"), ("rule", "Rules"), ("child", "Tables that inherit")):
            yield Part(title, tuple(self._undeclared(kind)))

    def _declared(self, wanted: Column | Index | Constraint, text: str, remark: str = "") -> Marked:
        if self.absent:
            return Marked(wanted.name, Mark.MISSING, ((text, "nothing"),))
        items = [i for i in self.items if i.name == wanted.name and isinstance(_subject(i), type(wanted))]
        if items:
            return self._differing(wanted.name, items)
        return Marked(wanted.name, Mark.AS_DECLARED, ((text, text),), remark=remark)

    def _differing(self, name: str, items: Sequence[Difference]) -> Marked:
        lines = tuple((item.expected, _actual(item)) for item in items)
        # What only a person can decide about the whole table goes for each of its parts.
        refused = not self.refused.isdisjoint({name, self.wanted.name})
        waiting = not self.waiting.isdisjoint({name, self.wanted.name})
        return Marked(name, _mark_of(items[0]), lines, refused, waiting and not refused)

    def _leftovers(self, kind: type[Index] | type[Constraint]) -> Iterator[Marked]:
        for item in self.items:
            if item.kind is Kind.LEFTOVER and isinstance(item.found, kind):
                yield self._differing(item.name, [item])

    def _undeclared(self, kind: str) -> Iterator[Marked]:
        for extra in self.extras:
            if extra.kind == kind:
                yield Marked(extra.name, Mark.UNDECLARED, (("nothing", self._text(extra)),), remark=extra.warning)

    def _text(self, extra: Extra) -> str:
        if extra.kind == "column":
            return self.found.columns[extra.name].definition
        found = self.found.index(extra.name) if extra.kind == "index" else self.found.constraint(extra.name)
        return found.text if found is not None else _HANGERS_ON[extra.kind]

    def _serial(self, name: str) -> str:
        column = self.found.columns.get(name)
        if column is None or column.identity or column.sequence is None:
            return ""
        return f"as the equivalent serial, fed by {column.sequence.name}"


_HANGERS_ON = {"trigger": "a trigger", "rule": "a rule", "child": "a table that inherits"}


def _subject(item: Difference) -> object:
    return item.found if item.wanted is None else item.wanted


def _mark_of(item: Difference) -> Mark:
    if _is_being_built(item):
        return Mark.BUILDING
    if item.kind is Kind.LEFTOVER:
        return Mark.LEFTOVER
    missing = (Kind.TABLE_MISSING, Kind.COLUMN_MISSING, Kind.INDEX_MISSING, Kind.CONSTRAINT_MISSING)
    return Mark.MISSING if item.kind in missing else Mark.DIFFERENT


def _actual(item: Difference) -> str:
    return "another session is building it now" if _is_being_built(item) else item.actual


def _is_being_built(item: Difference) -> bool:
    return any(isinstance(index, Index) and index.building for index in (item.found, item.holder))
