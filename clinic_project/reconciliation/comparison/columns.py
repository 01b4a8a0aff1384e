"""Differences between a declared column and the actual one of its name."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping

from ..schema.model import MAX_INTEGERS, MIN_INTEGERS, Column, Identity, Sequence, Table
from .differences import ColumnDifference, Difference, Kind, MissingColumn

#: Returns a difference of this kind, with the declared text and the actual one.
_DifferenceFactory = Callable[[Kind, str, str], Difference]


def column_differences(declared: Table, actual: Table, migrated: Collection[str]) -> Iterator[Difference]:
    """Yield the differences of a table's columns. `migrated` are the columns that migrations ever declared."""
    missing = [column for column in declared.columns.values() if column.name not in actual.columns]
    known = {*declared.columns, *migrated}
    candidates = {column.name: _candidates(column, actual, known) for column in missing}
    for column in declared.columns.values():
        if column.name in candidates:
            yield _missing_column(actual, column, candidates)
        else:
            yield from _differences(actual, column, actual.columns[column.name])


def _missing_column(table: Table, declared: Column, candidates: Mapping[str, tuple[str, ...]]) -> MissingColumn:
    own = candidates[declared.name]
    rivals = [name for name, others in candidates.items() if name != declared.name and not set(own).isdisjoint(others)]
    definition = declared.definition
    return MissingColumn(
        table.name, Kind.COLUMN_MISSING, declared.name, definition, "nothing", declared, own, tuple(rivals)
    )


def _candidates(declared: Column, table: Table, known: Collection[str]) -> tuple[str, ...]:
    """Return the columns that may be the missing column `declared`, renamed: of its type, NOT NULL and not `known`.

    Those of a nullable column aren't looked for: no insert fails without it, and its name may be put right later.
    """
    if not declared.not_null:
        return ()
    return tuple(
        column.name
        for column in table.columns.values()
        if column.name not in known and column.not_null and column.storage_definition == declared.storage_definition
    )


def _differences(table: Table, declared: Column, actual: Column) -> Iterator[Difference]:
    def difference(kind: Kind, declared_text: str, actual_text: str) -> Difference:
        return ColumnDifference(table.name, kind, declared.name, declared_text, actual_text, declared, actual)

    is_right_type = actual.storage_definition == declared.storage_definition or actual.is_wider_integer_than(declared)
    if not is_right_type:
        yield difference(Kind.COLUMN_TYPE, declared.storage_definition, actual.storage_definition)
    elif not declared.generated:
        yield from _default_differences(declared, actual, difference)
    yield from _null_differences(declared, actual, difference)
    if declared.comment and declared.comment != actual.comment:
        yield difference(Kind.COLUMN_COMMENT, declared.comment, actual.comment or "no comment")
    if declared.identity and is_right_type:
        yield from _key_generation_differences(table, declared, actual, difference)
        yield from _sequence_position_differences(table, actual, difference)


def _default_differences(declared: Column, actual: Column, difference: _DifferenceFactory) -> Iterator[Difference]:
    if declared.may_be_stricter and declared.default is None:
        return
    if declared.generates_keys or declared.identity is not actual.identity:
        differs = not declared.generates_keys
    else:
        differs = declared.default != actual.default and not _is_wider_literal(declared, actual)
    if differs:
        yield difference(Kind.COLUMN_DEFAULT, _default_text(declared), _default_text(actual))


def _is_wider_literal(declared: Column, actual: Column) -> bool:
    """Whether the defaults are one number, which PostgreSQL prints with the wider type."""
    wider = re.fullmatch(r"'?\(?(-?\d+)\)?'?(?:::\w+)?", actual.default or "")
    same = re.fullmatch(r"'?\(?(-?\d+)\)?'?(?:::\w+)?", declared.default or "")
    return bool(wider and same and wider[1] == same[1] and actual.is_wider_integer_than(declared))


def _default_text(column: Column) -> str:
    if column.identity:
        return column.identity.sql
    return f"DEFAULT {column.default}" if column.default is not None else "no default"


def _null_differences(declared: Column, actual: Column, difference: _DifferenceFactory) -> Iterator[Difference]:
    if declared.not_null and not actual.not_null:
        yield difference(Kind.COLUMN_NULLABLE, "NOT NULL", "nullable")
    elif not declared.not_null and actual.not_null and not declared.may_be_stricter:
        yield difference(Kind.COLUMN_NOT_NULL, "nullable", "NOT NULL")
    elif declared.not_null_name and actual.not_null_name:
        yield from _not_null_constraint_differences(declared, actual, difference)


def _not_null_constraint_differences(
    declared: Column, actual: Column, difference: _DifferenceFactory
) -> Iterator[Difference]:
    """Compare NOT NULL as the constraint that it is since PostgreSQL 18: its name, validation and inheritance."""
    if not actual.not_null_validated:
        yield difference(Kind.COLUMN_NOT_NULL_UNVALIDATED, "NOT NULL", "NOT NULL NOT VALID")
    if declared.not_null_inherits and not actual.not_null_inherits:
        yield difference(Kind.COLUMN_NOT_NULL_NO_INHERIT, "NOT NULL", "NOT NULL NO INHERIT")
    # An inherited one has the name of the parent's, and can't be renamed.
    if declared.not_null_name != actual.not_null_name and not actual.not_null_inherited:
        declared_text = f"NOT NULL named {declared.not_null_name}"
        yield difference(Kind.COLUMN_NOT_NULL_NAME, declared_text, f"named {actual.not_null_name}")


def _key_generation_differences(
    table: Table, declared: Column, actual: Column, difference: _DifferenceFactory
) -> Iterator[Difference]:
    if not actual.generates_keys:
        yield difference(Kind.KEY_WITHOUT_GENERATOR, declared.identity.sql, _default_text(actual))
        return
    if actual.identity and actual.identity is not declared.identity:
        is_always = actual.identity is Identity.ALWAYS
        kind = Kind.KEY_ALWAYS_GENERATED if is_always else Kind.KEY_NOT_ALWAYS_GENERATED
        yield difference(kind, declared.identity.generated, actual.identity.generated)
    sequence = actual.sequence
    if sequence is None:
        return
    # An identity's sequence gives values whatever the role may do with it. The table's owner must see whether it is behind.
    if not actual.identity and not (sequence.usable and (sequence.readable or not table.owned)):
        yield difference(Kind.SEQUENCE_PRIVILEGES, f"privileges on {sequence.name}", "not all of them")
        return
    if sequence.ownable and not sequence.owned:
        yield difference(Kind.SEQUENCE_NOT_OWNED, f"{sequence.name} owned by the column", "owned by nothing")
    if table.logged and not sequence.logged:
        yield difference(Kind.SEQUENCE_UNLOGGED, "a logged sequence", f"{sequence.name} is UNLOGGED")
    yield from _sequence_range_differences(declared, actual, sequence, difference)


def _sequence_range_differences(
    declared: Column, actual: Column, sequence: Sequence, difference: _DifferenceFactory
) -> Iterator[Difference]:
    highest = max(MAX_INTEGERS.get(column.type, 0) for column in (declared, actual))
    if sequence.increment < 0:
        yield difference(
            Kind.SEQUENCE_DIRECTION, "values that go up", f"{sequence.name} counts by {sequence.increment}"
        )
    elif actual.next_value_is_too_low:
        lowest = f"values from {MIN_INTEGERS[actual.type]} on"
        yield difference(Kind.SEQUENCE_LIMIT, lowest, f"{sequence.name} at {sequence.next_value}")
    elif sequence.max_value < highest or sequence.cycles:
        again = ", then from the start again" if sequence.cycles else ""
        yield difference(Kind.SEQUENCE_LIMIT, f"values up to {highest}", f"up to {sequence.max_value}{again}")


def _sequence_position_differences(
    table: Table, actual: Column, difference: _DifferenceFactory
) -> Iterator[Difference]:
    sequence, next_key = actual.sequence, table.next_keys.get(actual.name)
    if sequence is None or sequence.next_value is None or sequence.increment < 0:
        return
    highest = MAX_INTEGERS[actual.type]
    if next_key is not None and next_key > highest:
        yield difference(Kind.SEQUENCE_EXHAUSTED, f"a next value up to {highest}", "the highest is in a row")
    elif sequence.next_value > highest:
        texts = f"a next value up to {highest}", f"{sequence.name} at {sequence.next_value}"
        yield difference(Kind.SEQUENCE_EXHAUSTED, *texts)
    elif next_key is not None and sequence.next_value < next_key:
        yield difference(Kind.SEQUENCE_BEHIND, f"next value at least {next_key}", f"{sequence.next_value}")
