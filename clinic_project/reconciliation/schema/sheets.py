"""Drawings → Schema: tables drawn together on a few temporary tables, the sheets, and cut out of what is read there.

A type, a default or an index means the same in whichever table it stands, so columns and indexes that tables have alike
are made once. That is what makes a thousand tables quick to draw: most of them are much like each other. What PostgreSQL
itself gives names to is called after the sheet, and gets the table's name instead.
"""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from .drawings import Drawing, Element
from .model import HELPER_PREFIX, LONGEST_NAME, Column, Constraint, Index, Schema, Table, identifier

#: How wide a sheet may get by sharing. Wider ones, though a table can have 1,600, made a thousand unlike tables take longer.
MOST_COLUMNS = 50


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the drawings of a sheet have in common: the primary key, of which a table has one; and whether it has storage."""

    rules: tuple[str, ...]
    key: tuple[tuple[str, str], ...]
    stored: bool

    @classmethod
    def of(cls, drawing: Drawing) -> "_Frame":
        return cls(drawing.rules, tuple((name, drawing.columns[name]) for name in drawing.key), _is_stored(drawing))

    @property
    def storage(self) -> str:
        return "" if self.stored else f" PARTITION BY RANGE ({', '.join(identifier(name) for name, _ in self.key)})"


_NEEDS_STORAGE = re.compile("UNIQUE|EXCLUDE|TABLESPACE|INHERIT")


def _is_stored(drawing: Drawing) -> bool:
    """Whether it can't be drawn on a table without storage: a partitioned one that has no partitions.

    The making of files is most of what tables and indexes cost. Where rows are partitioned by the primary key, nothing
    else can be unique, and the key can't be generated:
    https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-LIMITATIONS
    """
    if any("GENERATED" in drawing.columns[name].upper() for name in drawing.key):
        return True
    texts = [*map(str.upper, drawing.columns.values()), *(element.text for element in drawing.elements.values())]
    return any(_NEEDS_STORAGE.search(text) for text in texts)


_Drawn = tuple[str, tuple[tuple[str, str], ...], str | None]


@dataclass
class Sheet:
    """A temporary table, and what is drawn on it: drawings of one `frame` that don't contradict each other, or, without
    one, a single drawing as Django would create it.

    `names` are what the elements are called on it.
    """

    name: str
    frame: _Frame | None
    drawings: list[Drawing] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    names: dict[_Drawn, str] = field(default_factory=dict)

    @property
    def creation(self) -> str:
        if self.frame is None:
            return self.drawings[0].created
        columns = [f"{identifier(name)} {definition}" for name, definition in self.columns.items()]
        items = ", ".join([*columns, *self.frame.rules])
        return f"CREATE TEMPORARY TABLE {identifier(self.name)} ({items}){self.frame.storage}"

    def takes(self, drawing: Drawing) -> bool:
        if len(self.columns.keys() | drawing.columns.keys()) > MOST_COLUMNS:
            return False
        return all(self.columns.get(name, definition) == definition for name, definition in drawing.columns.items())

    def add(self, drawing: Drawing) -> None:
        self.drawings.append(drawing)
        self.columns |= drawing.columns


class Sheets:
    """The sheets that hold all of some drawings: `shared` ones as far as that can be."""

    def __init__(self, drawings: Collection[Drawing], *, shared: bool) -> None:
        made_up = {drawing.table: _made_up_names(drawing) for drawing in drawings}
        doubtful = _doubtful_names(drawings, made_up)
        numbered = (f"{HELPER_PREFIX}{number}" for number in itertools.count())
        self._names = (name for name in numbered if name not in made_up)
        self.of_table: dict[str, Sheet] = {}
        self._framed: dict[_Frame, list[Sheet]] = defaultdict(list)
        for drawing in drawings:
            can_share = shared and _can_share(drawing, made_up[drawing.table], doubtful)
            sheet = self._sheet_for(drawing) if can_share else Sheet(drawing.table, None)
            sheet.add(drawing)
            self.of_table[drawing.table] = sheet
        self.by_name = {sheet.name: sheet for sheet in self.of_table.values()}

    def _sheet_for(self, drawing: Drawing) -> Sheet:
        frame = _Frame.of(drawing)
        alike = self._framed[frame]
        found = next((sheet for sheet in alike if sheet.takes(drawing)), None)
        if found is None:
            found = Sheet(next(self._names), frame)
            alike.append(found)
        return found

    def script(self) -> Iterator[str]:
        """Give the statements that create the sheets; foreign keys come last."""
        yield from (sheet.creation for sheet in self.by_name.values())
        made = [(sheet, *element) for sheet in self.by_name.values() for element in self._elements(sheet)]
        for sheet, name, element in sorted(made, key=lambda each: each[2].target is not None):
            yield element.sql(sheet.name, name, self._target(element))
        for sheet in self.by_name.values():
            for drawing in sheet.drawings:
                yield from drawing.others

    def _elements(self, sheet: Sheet) -> Iterator[tuple[str, Element]]:
        """Name the elements that are still to be made, those that the sheet's drawings have alike once."""
        for name, element in (item for drawing in sheet.drawings for item in drawing.elements.items()):
            if sheet.frame is None:
                if not element.inline:
                    yield name, element
            elif (drawn := self.drawn(element)) not in sheet.names:
                sheet.names[drawn] = f"{sheet.name}_{len(sheet.names)}"
                yield sheet.names[drawn], element

    def _target(self, element: Element) -> str | None:
        return None if element.target is None else self.of_table[element.target].name

    def cut(self, read: Schema, drawings: Iterable[Drawing], quoted: Mapping[str, str]) -> dict[str, Table]:
        """Cut the tables of `drawings` out of the sheets, as these were read.

        `quoted` has the names of schema, sheets and tables as PostgreSQL prints them.
        """
        cutters = {name: _Cutter(self, sheet, read.tables[name], quoted) for name, sheet in self.by_name.items()}
        return {drawing.table: cutters[self.of_table[drawing.table].name].cut(drawing) for drawing in drawings}

    def drawn(self, element: Element) -> _Drawn:
        """Return what makes elements of a sheet alike: foreign keys to one sheet are, whichever table there is meant."""
        return element.template, element.parts, self._target(element)


#: What PostgreSQL calls a constraint without a name, by the words in a column's definition that make one: the table, the
#: column, and this.
_SUFFIXES = {"NOT NULL": "_not_null", "UNIQUE": "_key", "CHECK": "_check"}


#: How many bytes a name must be short of the longest, so that PostgreSQL neither cut it nor made the same of another one by
#: cutting: it cuts whole characters, and so up to three bytes more than it must off the table's name, and off the column's.
_MARGIN = 6


#: How long the name of a sheet may get.
_LONGEST_SHEET = len(f"{HELPER_PREFIX}123456")


def _can_share(drawing: Drawing, made_up: set[str], doubtful: set[str]) -> bool:
    """Whether whatever is made of it has the name that it was given, or is called after the table or a column of it."""
    longer_on_sheet = max(0, _LONGEST_SHEET - len(drawing.table.encode()))
    longest = max(len(name.encode()) for name in made_up) + longer_on_sheet
    if not drawing.understood or longest + _MARGIN > LONGEST_NAME:
        return False
    return doubtful.isdisjoint({drawing.table, *drawing.elements, *made_up})


def _doubtful_names(drawings: Iterable[Drawing], made_up: Mapping[str, set[str]]) -> set[str]:
    """Return the names that PostgreSQL would make up twice, or that something else has: then it appends a number.

    A constraint's that it makes up is one of its own in the schema, though those that are given need not be.
    """
    given = {name for drawing in drawings for name in (drawing.table, *drawing.elements)}
    counted = Counter(itertools.chain.from_iterable(made_up.values()))
    return {name for name, times in counted.items() if times > 1 or name in given}


def _made_up_names(drawing: Drawing) -> set[str]:
    table = drawing.table
    made_up = {f"{table}_pkey", f"{table}_check"}
    for name, definition in drawing.columns.items():
        text = definition.upper()
        made_up |= {f"{table}_{name}{suffix}" for words, suffix in _SUFFIXES.items() if words in text}
    return made_up


class _Cutter:
    """Cuts tables out of one sheet, as it was read: `read`."""

    def __init__(self, sheets: Sheets, sheet: Sheet, read: Table, quoted: Mapping[str, str]) -> None:
        self.sheets, self.sheet, self.read, self.quoted = sheets, sheet, read, quoted
        self.indexes = {index.name: index for index in self.read.indexes}
        self.constraints = {constraint.name: constraint for constraint in self.read.constraints}
        known = set(sheet.names.values())
        self.made_up = [constraint for constraint in self.read.constraints if constraint.name not in known]

    def cut(self, drawing: Drawing) -> Table:
        if self.sheet.frame is None:
            own = tuple(self._constraint(drawing, constraint, name) for name, constraint in self.constraints.items())
            return replace(self.read, constraints=own)
        names = sorted(self._names(drawing))
        return replace(
            self.read,
            kind="r",
            name=drawing.table,
            columns={name: self._column(drawing, self.read.columns[name]) for name in drawing.columns},
            indexes=tuple(_renamed(self.indexes[there], name) for name, there in names if there in self.indexes),
            constraints=tuple(
                self._constraint(drawing, self.constraints[there], name)
                for name, there in names
                if there in self.constraints
            ),
        )

    def _names(self, drawing: Drawing) -> Iterator[tuple[str, str]]:
        """Give each of the table's indexes and constraints by its name, and by the one that it has on the sheet."""
        for name, element in drawing.elements.items():
            yield name, self.sheet.names[self.sheets.drawn(element)]
        for constraint in self.made_up:
            if drawing.columns.keys() >= set(constraint.columns):
                yield self._made_up(drawing, constraint.name), constraint.name

    def _made_up(self, drawing: Drawing, name: str) -> str:
        return drawing.table + name.removeprefix(self.sheet.name)

    def _column(self, drawing: Drawing, column: Column) -> Column:
        if column.not_null_name is None:
            return column
        return replace(column, not_null_name=self._made_up(drawing, column.not_null_name))

    def _constraint(self, drawing: Drawing, constraint: Constraint, name: str) -> Constraint:
        index = constraint.index and _renamed(constraint.index, name)
        if constraint.target is None:
            return replace(constraint, name=name, index=index)
        schema, on_sheet = constraint.target
        element = drawing.elements.get(name)
        target = (element and element.target) or on_sheet
        printed, meant = (f"REFERENCES {self.quoted[schema]}.{self.quoted[table]}(" for table in (on_sheet, target))
        definition = constraint.definition.replace(printed, meant, 1)
        return replace(constraint, name=name, definition=definition, target=(schema, target))


def _renamed(index: Index, name: str) -> Index:
    return replace(index, name=name, constraint=index.constraint and name, needed_by="")
