"""Two Schemas → Differences: what the declared one asks for and the real one isn't, and what that has beside it.

By meaning first, then by name: a right index under a wrong name only wants a name. Nothing here talks to a database.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from .schema import Column, Constraint, Index, Relation, Schema, Table, helper_name, is_helper_name


class Kind(StrEnum):
    """What is different. The values are part of the `--json` output."""

    TABLE_MISSING = "table-missing"
    TABLE_NOT_A_TABLE = "table-not-a-table"
    TABLE_UNLOGGED = "table-unlogged"
    COLUMN_MISSING = "column-missing"
    COLUMN_TYPE = "column-type"
    COLUMN_NULLABLE = "column-nullable"
    COLUMN_NOT_NULL = "column-not-null"
    COLUMN_NOT_NULL_UNVALIDATED = "column-not-null-unvalidated"
    COLUMN_NOT_NULL_NAME = "column-not-null-name"
    COLUMN_DEFAULT = "column-default"
    KEY_INDEX_INVALID = "key-index-invalid"
    KEY_WITHOUT_GENERATOR = "key-without-generator"
    KEY_ALWAYS_GENERATED = "key-always-generated"
    SEQUENCE_NOT_OWNED = "sequence-not-owned"
    SEQUENCE_BEHIND = "sequence-behind"
    INDEX_MISSING = "index-missing"
    INDEX_NAME = "index-name"
    INDEX_INVALID = "index-invalid"
    INDEX_DEFINITION = "index-definition"
    INDEX_PARAMETERS = "index-parameters"
    CONSTRAINT_MISSING = "constraint-missing"
    CONSTRAINT_NAME = "constraint-name"
    CONSTRAINT_DEFINITION = "constraint-definition"
    CONSTRAINT_UNVALIDATED = "constraint-unvalidated"
    CONSTRAINT_DEFERRABILITY = "constraint-deferrability"
    LEFTOVER = "leftover"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing to bring about. `expected` and `actual` speak to people; the objects are what a repair starts from.

    `wanted` is the declared column, index or constraint; `found` the real one that can become it (for a constraint also
    an index); `holder` a wrong one in its way, because it has the wanted name, or contradicts the wanted foreign key.
    Where something is missing, `holder` is one that has its name now and gets its own by the same plan.
    """

    table: str
    kind: Kind
    name: str
    expected: str
    actual: str
    wanted: Any = None
    found: Any = None
    holder: Any = None


@dataclass(frozen=True, slots=True)
class Extra:
    """Something real that no model declares. It is left alone. `warning` says what it may break, or costs."""

    table: str
    kind: str
    name: str
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Differences:
    expected: Schema
    actual: Schema
    items: tuple[Difference, ...]
    extras: tuple[Extra, ...]

    def __len__(self) -> int:
        return len(self.items)

    def of(self, table: str, *kinds: Kind) -> list[Difference]:
        return [item for item in self.items if item.table == table and item.kind in kinds]


def compare(expected: Schema, actual: Schema) -> Differences:
    items: list[Difference] = []
    extras: list[Extra] = []
    for name, wanted in expected.tables.items():
        found = actual.tables.get(name)
        if found is None:
            items.append(_absent_table(wanted, actual.holders.get(name)))
            continue
        items += _table_differences(wanted, found)
        extras += _extras(wanted, found)
    return Differences(expected, actual, tuple(items), tuple(extras))


def _absent_table(wanted: Table, holder: Relation | None) -> Difference:
    if holder is None:
        return Difference(wanted.name, Kind.TABLE_MISSING, wanted.name, "a table", "nothing", wanted)
    return Difference(wanted.name, Kind.TABLE_NOT_A_TABLE, wanted.name, "a table", RELATION_KINDS[holder.kind], wanted)


#: pg_class.relkind, and "type" for one that belongs to no relation.
RELATION_KINDS = {
    "r": "a table",
    "p": "a partitioned table",
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
    "I": "a partitioned index",
    "c": "a composite type",
    "t": "a TOAST table",
    "type": "a type",
}


def _table_differences(wanted: Table, found: Table) -> Iterator[Difference]:
    if wanted.logged and not found.logged:
        yield Difference(wanted.name, Kind.TABLE_UNLOGGED, wanted.name, "LOGGED", "UNLOGGED")
    for column in wanted.columns.values():
        yield from _column_differences(wanted, found, column)
    yield from _index_differences(wanted, found)
    for compared in (_key_differences, _foreign_key_differences, _check_differences):
        yield from compared(wanted, found)
    yield from _leftovers(wanted, found)


# Columns


def _column_differences(wanted: Table, table: Table, column: Column) -> Iterator[Difference]:
    found = table.columns.get(column.name)

    def difference(kind: Kind, expected: str, actual: str) -> Difference:
        return Difference(table.name, kind, column.name, expected, actual, wanted=column, found=found)

    if found is None:
        yield difference(Kind.COLUMN_MISSING, describe_column(column), "nothing")
        return
    if _stored_as(found) != _stored_as(column):
        yield difference(Kind.COLUMN_TYPE, _stored_as(column), _stored_as(found))
    elif not column.generated:
        yield from _default_differences(column, found, difference)
    yield from _null_differences(column, found, difference)
    if column.identity and found.type == column.type:
        yield from _generator_differences(table, found, difference)


_Making = Callable[[Kind, str, str], Difference]


def _default_differences(column: Column, found: Column, difference: _Making) -> Iterator[Difference]:
    if column.default != found.default and not column.generates_keys:
        yield difference(Kind.COLUMN_DEFAULT, _default(column), _default(found))


def _default(column: Column) -> str:
    if column.sequence is not None and not column.identity:
        return f"the next value of {column.sequence.name}"
    return f"DEFAULT {column.default}" if column.default is not None else "no default"


def _null_differences(column: Column, found: Column, difference: _Making) -> Iterator[Difference]:
    if column.not_null and not found.not_null:
        yield difference(Kind.COLUMN_NULLABLE, "NOT NULL", "nullable")
    elif not column.not_null and found.not_null:
        yield difference(Kind.COLUMN_NOT_NULL, "nullable", "NOT NULL")
    elif not found.not_null_validated:
        yield difference(Kind.COLUMN_NOT_NULL_UNVALIDATED, "NOT NULL", "NOT NULL NOT VALID")
    elif column.not_null_name != found.not_null_name and column.not_null_name and found.not_null_name:
        yield difference(Kind.COLUMN_NOT_NULL_NAME, column.not_null_name, found.not_null_name)


def _generator_differences(table: Table, found: Column, difference: _Making) -> Iterator[Difference]:
    if not found.generates_keys:
        yield difference(Kind.KEY_WITHOUT_GENERATOR, "GENERATED BY DEFAULT AS IDENTITY", _default(found))
        return
    if found.identity == "a":
        yield difference(Kind.KEY_ALWAYS_GENERATED, "GENERATED BY DEFAULT", "GENERATED ALWAYS")
    sequence = found.sequence
    if sequence is None:
        return
    if not sequence.owned and not sequence.shared:
        yield difference(Kind.SEQUENCE_NOT_OWNED, f"{sequence.name} owned by the column", "owned by nothing")
    next_key = table.next_keys.get(found.name, 0)
    # One that counts down has gone past the keys that are there when it is below them.
    if sequence.increment > 0 and sequence.next_value is not None and sequence.next_value < next_key:
        yield difference(Kind.SEQUENCE_BEHIND, f"next value at least {next_key}", f"{sequence.next_value}")


def _stored_as(column: Column) -> str:
    parts = [column.type]
    if column.collation:
        parts.append(f"COLLATE {column.collation}")
    if column.generated:
        kind, expression = column.generated.split(" ", 1)
        parts.append(f"GENERATED ALWAYS AS ({expression}) {'STORED' if kind == 's' else 'VIRTUAL'}")
    return " ".join(parts)


def describe_column(column: Column) -> str:
    """Return the column as CREATE TABLE and ADD COLUMN take it, after its name."""
    parts = [_stored_as(column)]
    if column.identity:
        parts.append(f"GENERATED {'ALWAYS' if column.identity == 'a' else 'BY DEFAULT'} AS IDENTITY")
    if column.default is not None:
        parts.append(f"DEFAULT {column.default}")
    if column.not_null:
        parts.append("NOT NULL")
    return " ".join(parts)


# Indexes


def _index_differences(wanted: Table, found: Table) -> Iterator[Difference]:
    declared = [index for index in wanted.indexes if index.constraint is None]
    usable = [index for index in found.indexes if index.constraint is None and index.valid]
    matched = match(declared, usable)
    claimed = {index.name for index in matched.values()}
    for index in declared:
        yield from _one_index(found, index, matched.get(index.name), claimed)


def _one_index(table: Table, wanted: Index, match: Index | None, claimed: Collection[str]) -> Iterator[Difference]:
    holder = table.index(wanted.name)
    if match is None:
        if holder is None or holder.name in claimed:
            kind, actual = Kind.INDEX_MISSING, "nothing"
        elif holder.valid or holder.constraint:
            kind, actual = Kind.INDEX_DEFINITION, holder.text
        else:
            kind, actual = Kind.INDEX_INVALID, "INVALID (an interrupted concurrent build)"
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted=wanted, holder=holder)
        return
    # Only declared ones: others are somebody's tuning.
    if set(wanted.parameters) - set(match.parameters):
        expected, actual = ", ".join(wanted.parameters), ", ".join(match.parameters) or "the defaults"
        yield Difference(table.name, Kind.INDEX_PARAMETERS, wanted.name, expected, actual, wanted, match)
    if match.name != wanted.name:
        actual = f"named {match.name}"
        yield Difference(table.name, Kind.INDEX_NAME, wanted.name, wanted.text, actual, wanted, match, holder)


_Named = TypeVar("_Named", Index, Constraint)


def match(declared: Iterable[_Named], real: Iterable[_Named]) -> dict[str, _Named]:
    """Give each declared object the real one of its meaning, by the declared one's name; its own name goes first."""
    declared, rest = list(declared), list(real)
    result: dict[str, _Named] = {}
    for by_name in (True, False):
        for wanted in declared:
            candidates = [r for r in rest if r.meaning == wanted.meaning and (r.name == wanted.name or not by_name)]
            if candidates and wanted.name not in result:
                # One that we built ourselves, in a run that was interrupted, before a stranger's.
                chosen = min(candidates, key=lambda r: (not is_helper_name(r.name), r.name))
                result[wanted.name] = chosen
                rest.remove(chosen)
    return result


# Primary keys, unique and exclusion constraints: what an index stands behind


def _key_differences(wanted: Table, found: Table) -> Iterator[Difference]:
    declared = [c for c in wanted.constraints if c.kind in "pux"]
    real = [c for c in found.constraints if c.kind in "pux"]
    # Deferrability belongs to the meaning here: it can't be altered in place.
    matched = {
        name: constraint
        for name, constraint in match(declared, real).items()
        if constraint.timing == _named(declared, name).timing
    }
    claimed = {constraint.name for constraint in matched.values()}
    for constraint in declared:
        yield from _one_key(found, constraint, matched.get(constraint.name), claimed)


def adoptable_index(table: Table, wanted: Constraint) -> Index | None:
    """Find a unique index that only needs to be declared the constraint's."""
    if wanted.index is None or wanted.kind == "x":
        return None
    real = [index for index in table.indexes if index.constraint is None and index.valid]
    return match([wanted.index], real).get(wanted.index.name)


def _named(constraints: Iterable[Constraint], name: str) -> Constraint:
    return next(c for c in constraints if c.name == name)


def _one_key(
    table: Table, wanted: Constraint, match: Constraint | None, claimed: Collection[str]
) -> Iterator[Difference]:
    if match is None:
        holder = table.primary_key if wanted.kind == "p" else table.constraint(wanted.name)
        missing = holder is None or holder.name in claimed
        kind = Kind.CONSTRAINT_MISSING if missing else Kind.CONSTRAINT_DEFINITION
        actual = "nothing" if holder is None or missing else holder.text
        found = adoptable_index(table, wanted)
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted, found, holder)
        return
    if match.index is not None and not match.index.valid:
        kind, actual = Kind.KEY_INDEX_INVALID, f"{match.text} with an INVALID index"
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted, match)
    holder = table.constraint(wanted.name)
    if match.name != wanted.name and holder is not None and holder.kind not in "pux":
        # Somebody's rule, of another kind, has the name.
        kind, actual = Kind.CONSTRAINT_DEFINITION, _as_found(holder)
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted, match, holder)
    elif match.name != wanted.name:
        yield _constraint_name(wanted, match, table, holder)


def _constraint_name(
    wanted: Constraint, found: Constraint, table: Table, holder: Constraint | None = None
) -> Difference:
    actual = f"named {found.name}"
    return Difference(table.name, Kind.CONSTRAINT_NAME, wanted.name, wanted.text, actual, wanted, found, holder)


# Foreign keys and checks: what can be added NOT VALID


def _foreign_key_differences(wanted: Table, found: Table) -> Iterator[Difference]:
    yield from _rule_differences(wanted, found, "f", _contradiction)


def _check_differences(wanted: Table, found: Table) -> Iterator[Difference]:
    yield from _rule_differences(wanted, found, "c", _holder_of_name)


_Finding = Callable[[Table, Constraint, Constraint | None], Constraint | None]


def _rule_differences(wanted: Table, found: Table, kind: str, find_holder: _Finding) -> Iterator[Difference]:
    declared = [c for c in wanted.constraints if c.kind == kind]
    # Validated ones go first: `match` takes what it can get from the front of equal names.
    usable = [c for c in found.constraints if c.kind == kind and c.enforced]
    matched = match(declared, [c for c in usable if c.validated])
    rest = [c for c in declared if c.name not in matched]
    matched |= match(rest, [c for c in usable if not c.validated])
    claimed = {constraint.name for constraint in matched.values()}
    for constraint in declared:
        match_found = matched.get(constraint.name)
        holder = find_holder(found, constraint, match_found)
        if holder is not None and holder.name in claimed:
            holder = None
        yield from _one_rule(found, constraint, match_found, holder)


def _holder_of_name(table: Table, wanted: Constraint, match: Constraint | None) -> Constraint | None:
    holder = table.constraint(wanted.name)
    return holder if holder is not None and holder is not match else None


def _contradiction(table: Table, wanted: Constraint, match: Constraint | None) -> Constraint | None:
    """Find the foreign key in the way: of the wanted name, or from the same columns to the same ones but otherwise.

    Otherwise: with other actions, or not enforced. An equal one is only a repetition; and where the wanted one stands
    under its own name, any other is a stranger's.
    """
    if match is not None and not is_helper_name(match.name):
        return _holder_of_name(table, wanted, match)
    for other in table.constraints:
        if other.kind != "f" or other is match:
            continue
        same_ends = (other.columns, other.target, other.target_columns) == (
            wanted.columns,
            wanted.target,
            wanted.target_columns,
        )
        if same_ends and (other.definition != wanted.definition or not other.enforced):
            return other
    return _holder_of_name(table, wanted, match)


def _one_rule(
    table: Table, wanted: Constraint, match: Constraint | None, holder: Constraint | None
) -> Iterator[Difference]:
    if match is None:
        kind = Kind.CONSTRAINT_MISSING if holder is None else Kind.CONSTRAINT_DEFINITION
        actual = "nothing" if holder is None else _as_found(holder)
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted=wanted, holder=holder)
        return
    if match.timing != wanted.timing:
        kind = Kind.CONSTRAINT_DEFERRABILITY
        yield Difference(table.name, kind, wanted.name, wanted.timing, match.timing, wanted, match)
    if not match.validated:
        kind, actual = Kind.CONSTRAINT_UNVALIDATED, f"{match.text} NOT VALID"
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted, match, holder)
    elif holder is not None:
        kind, actual = Kind.CONSTRAINT_DEFINITION, f"also {_as_found(holder)}"
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted, match, holder)
    elif match.name != wanted.name:
        yield _constraint_name(wanted, match, table)


def _as_found(constraint: Constraint) -> str:
    if constraint.enforced:
        return f"{constraint.name}: {constraint.text}"
    why = "its triggers disabled" if constraint.triggers_disabled else "NOT ENFORCED"
    return f"{constraint.name}: {constraint.text}, {why}"


# What is there and isn't declared


def _leftovers(wanted: Table, found: Table) -> Iterator[Difference]:
    """Find what interrupted repairs left, ours and REINDEX CONCURRENTLY's, apart from what can still be used."""
    for index in _unclaimed_indexes(wanted, found):
        if is_helper_name(index.name) or (not index.valid and re.search(r"_cc(new|old)\d*$", index.name)):
            yield Difference(found.name, Kind.LEFTOVER, index.name, "nothing", f"index {index.text}", found=index)
    in_use = {c.name for c in _matched_constraints(wanted, found)} | _helping_checks(wanted, found)
    for constraint in found.constraints:
        if is_helper_name(constraint.name) and constraint.name not in in_use:
            actual = f"constraint {constraint.text}"
            yield Difference(found.name, Kind.LEFTOVER, constraint.name, "nothing", actual, found=constraint)


def _helping_checks(wanted: Table, found: Table) -> set[str]:
    """Return the names of the checks that help columns which have yet to become NOT NULL."""
    columns = [column for column in wanted.columns.values() if column.not_null and column.name in found.columns]
    return {helper_name("check", found.name, c.name) for c in columns if not found.columns[c.name].not_null}


def _unclaimed_indexes(wanted: Table, found: Table) -> list[Index]:
    declared = [index for index in wanted.indexes if index.constraint is None]
    usable = [index for index in found.indexes if index.constraint is None]
    claimed = {index.name for index in match(declared, [i for i in usable if i.valid]).values()}
    claimed |= {item.found.name for item in _key_differences(wanted, found) if item.found is not None}
    return [index for index in usable if index.name not in claimed]


def _matched_constraints(wanted: Table, found: Table) -> list[Constraint]:
    return list(match(wanted.constraints, [c for c in found.constraints if c.enforced]).values())


def _extras(wanted: Table, found: Table) -> Iterator[Extra]:
    names = {c.name for c in wanted.constraints} | {i.name for i in wanted.indexes}
    for column in found.columns.values():
        if column.name not in wanted.columns:
            yield Extra(found.name, "column", column.name, _warning_of(column))
    for index in _unclaimed_indexes(wanted, found):
        if index.name not in names and not is_helper_name(index.name):
            yield Extra(found.name, "index", index.name, _repetition(found, index))
    claimed = {c.name for c in _matched_constraints(wanted, found)}
    for constraint in found.constraints:
        if constraint.name not in claimed | names and not is_helper_name(constraint.name):
            yield Extra(found.name, "constraint", constraint.name)
    for trigger in found.triggers:
        yield Extra(found.name, "trigger", trigger)


def _warning_of(column: Column) -> str:
    if column.not_null and column.default is None and not column.generates_keys and not column.generated:
        return "it is NOT NULL without a default, and will reject every insert that doesn't name it"
    return ""


def _repetition(table: Table, index: Index) -> str:
    twin = next((i for i in table.indexes if i.meaning == index.meaning and i.name != index.name), None)
    if not index.valid:
        return "it is INVALID: it costs every write and helps no query"
    return f"it repeats {twin.name}, and costs every write twice" if twin else ""
