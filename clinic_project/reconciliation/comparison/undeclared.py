"""What is there and isn't declared: what interrupted repairs left, and what is somebody else's."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ..schema.model import Column, Constraint, Index, Table, helper_name, is_helper_name
from .differences import Difference, Extra, Kind
from .matching import Matches, match


@dataclass(frozen=True)
class Unclaimed:
    """What a real table has beside what is declared. `in_the_way` are the names of what is in the way of a declared thing,
    and goes with that.
    """

    wanted: Table
    found: Table
    indexes: Sequence[Index]
    constraints: Sequence[Constraint]
    in_the_way: Collection[str]

    @classmethod
    def of(cls, wanted: Table, found: Table, matches: Matches, differences: Sequence[Difference]) -> "Unclaimed":
        used = matches.claimed_indexes | {item.found.name for item in differences if isinstance(item.found, Index)}
        matched = match(wanted.constraints, [c for c in found.constraints if c.enforced]).values()
        claimed = {constraint.name for constraint in matched}
        return cls(
            wanted,
            found,
            [index for index in found.indexes if index.constraint is None and index.name not in used],
            [constraint for constraint in found.constraints if constraint.name not in claimed],
            {item.holder.name for item in differences if item.holder},
        )


def leftovers(there: Unclaimed) -> Iterator[Difference]:
    """Find what interrupted repairs left, ours and REINDEX CONCURRENTLY's, apart from what can still be used."""
    table = there.found.name
    for index in there.indexes:
        if is_helper_name(index.name) or (not index.valid and re.search(r"_cc(new|old)\d*$", index.name)):
            yield Difference(table, Kind.LEFTOVER, index.name, "nothing", f"index {index.text}", found=index)
    in_use = {*there.in_the_way, *_helping_checks(there.wanted, there.found)}
    for constraint in there.constraints:
        if is_helper_name(constraint.name) and constraint.name not in in_use:
            actual = f"constraint {constraint.text}"
            yield Difference(table, Kind.LEFTOVER, constraint.name, "nothing", actual, found=constraint)


def _helping_checks(wanted: Table, found: Table) -> set[str]:
    """Return the names of the checks that help columns which have yet to become NOT NULL."""
    columns = [column for column in wanted.columns.values() if column.not_null and column.name in found.columns]
    return {helper_name("check", found.name, c.name) for c in columns if not found.columns[c.name].not_null}


def undeclared(there: Unclaimed) -> Iterator[Extra]:
    """Find what no model declares, apart from what is told with a declared thing."""
    wanted, found = there.wanted, there.found
    for column in found.columns.values():
        if column.name not in wanted.columns:
            yield Extra(found.name, "column", column.name, _warning_of(column))
    names = {*there.in_the_way} | {c.name for c in wanted.constraints} | {i.name for i in wanted.indexes}
    for index in there.indexes:
        if index.name not in names and not is_helper_name(index.name):
            yield Extra(found.name, "index", index.name, _repetition(found, index))
    for constraint in there.constraints:
        if constraint.name not in names and not is_helper_name(constraint.name):
            yield Extra(found.name, "constraint", constraint.name)
    yield from _hanging_on(found)


_INHERITS = (
    "it inherits from this table. Its rows are read and filled with this one's, and columns are added and made NOT NULL"
    " there as well; this one's keys, foreign keys and indexes don't hold for them"
)


def _hanging_on(found: Table) -> Iterator[Extra]:
    for trigger in found.triggers:
        yield Extra(found.name, "trigger", trigger)
    for rule in found.rules:
        yield Extra(
            found.name, "rule", rule, "it rewrites statements, a repair's too, whose rows it may send elsewhere"
        )
    for child in found.children:
        yield Extra(found.name, "child", child, _INHERITS)


def _warning_of(column: Column) -> str:
    if column.not_null and column.default is None and not column.generates_keys and not column.generated:
        return "it is NOT NULL without a default, and will reject every insert that doesn't name it"
    return ""


def _repetition(table: Table, index: Index) -> str:
    twin = next((i for i in table.indexes if i.meaning == index.meaning and i.name != index.name), None)
    if not index.valid:
        return "it is INVALID: it costs every write and helps no query"
    return f"it repeats {twin.name}, and costs every write twice" if twin else ""
