"""What generates the values of keys: identities, and the sequences of serials."""

from collections.abc import Iterator
from dataclasses import replace

from ...comparison.differences import ColumnDifference, Differences, Kind
from ...schema.model import MAX_INTEGERS, MIN_INTEGERS, Column, Sequence, Table, identifier, literal
from .. import refusals
from ..plan import Lock, Note, NoteCode, Phase, Plan, Refusal, Repair, Step, plan_of
from .steps import alterations


def generate_keys(table: Table, item: ColumnDifference) -> Plan:
    """Generate a key's values past those of the rows, and past all that a former sequence of it has given.

    A former sequence that the column owns, or can own, generates them again: then whoever still uses it gets no value
    twice. Otherwise an identity does. The table is locked against inserts, and the sequence against nextval(), between
    reading the highest value and the commit.
    """
    column, former = item.declared, item.actual.former_sequences
    if not all(sequence.readable for sequence in former):
        return Plan()  # refused by unusable_sequences()
    continued = next((s for s in former if s.ownable and s.alterable and s.settable and s.increment > 0), None)
    detached = [f"ALTER SEQUENCE {s.name} OWNED BY NONE" for s in former if s.owned and s is not continued]
    if continued is not None:
        generator = continued.name
        statements = _continue_sequence(table, column, continued)
    else:
        generator = "an identity"
        statements = _add_identity(table, column, item.actual.default)
    reason = f"generate {column.name} by {generator}, past its highest value"
    step = Step(
        (*statements[:1], *detached, *statements[1:], _advance_past_all(table, column, former, continued)),
        table.name,
        Lock.ACCESS_EXCLUSIVE,
        reason,
        relations=(table.sql_name,),
    )
    return plan_of(_repair(table, column, step), *_replaced_default(table, item, generator))


def _repair(table: Table, column: Column, *steps: Step) -> Repair:
    return Repair(Phase.KEY_GENERATION, table.name, (column.name,), steps)


def _continue_sequence(table: Table, column: Column, sequence: Sequence) -> tuple[str, ...]:
    name = identifier(column.name)
    set_default = f"ALTER COLUMN {name} SET DEFAULT nextval({literal(sequence.name)}::regclass)"
    # ALTER SEQUENCE also locks it against nextval(), until the commit.
    own = f"ALTER SEQUENCE {sequence.name}{_whole_range(sequence, column.type)} OWNED BY {table.sql_name}.{name}"
    return (*alterations(table, [set_default]), own)


def _whole_range(sequence: Sequence, type_: str) -> str:
    """Return the clauses that let it reach the highest value of the type; none where it does."""
    if sequence.max_value >= MAX_INTEGERS[type_]:
        return ""
    # A minimum below the type's is refused. What is left of it is kept: the sequence may be at a negative value.
    lowest = MIN_INTEGERS[type_]
    minimum = f" MINVALUE {lowest}" if sequence.min_value < lowest else ""
    return f" AS {type_}{minimum} NO MAXVALUE"


def _add_identity(table: Table, column: Column, default: str | None) -> tuple[str, ...]:
    name = identifier(column.name)
    drop = [] if default is None else [f"ALTER COLUMN {name} DROP DEFAULT"]
    lock = f"LOCK TABLE {table.sql_name} IN ACCESS EXCLUSIVE MODE"
    return (lock, *alterations(table, [*drop, f"ALTER COLUMN {name} ADD {column.identity.sql}"]))


def _advance_past_all(table: Table, column: Column, former: tuple[Sequence, ...], continued: Sequence | None) -> str:
    """Return the query that sets the generator to the highest value that is in a row or was given; never back."""
    name = identifier(column.name)
    given = [f"SELECT max({name})::bigint AS value FROM {table.sql_name} WHERE {name} < {MAX_INTEGERS[column.type]}"]
    given += [
        f"SELECT last_value - CASE WHEN is_called THEN 0 ELSE {s.increment} END FROM {s.name}"
        for s in former
        if s.increment > 0
    ]
    highest = f"SELECT max(value) AS highest FROM ({' UNION ALL '.join(given)}) AS given"
    past = f"WHERE highest BETWEEN 1 AND {MAX_INTEGERS[column.type] - 1}"
    if continued is None:
        sequence = f"pg_get_serial_sequence({literal(table.sql_name)}, {literal(column.name)})"
    else:
        sequence = literal(continued.name)
        past += f" AND highest >= (SELECT {_next_value(continued)} FROM {continued.name})"
    return f"SELECT setval({sequence}, highest) FROM ({highest}) AS past {past}"


def _next_value(sequence: Sequence) -> str:
    """Return the next value in the terms of the sequence's row."""
    return f"last_value + CASE WHEN is_called THEN {sequence.increment} ELSE 0 END"


def _replaced_default(table: Table, item: ColumnDifference, generator: str) -> Iterator[Note]:
    if item.actual.default is not None:
        text = f"{generator} replaces its default {item.actual.default}. The function that the default calls is left alone."
        yield Note(NoteCode.DEFAULT_REPLACED, table.name, item.name, text)


def alter_identity(table: Table, item: ColumnDifference) -> Plan:
    column = item.declared
    generated = column.identity.generated
    clause = f"ALTER COLUMN {identifier(column.name)} SET {generated}"
    reason = f"make {column.name} {generated}"
    return _sequence_repair(table, column, Lock.ACCESS_EXCLUSIVE, reason, *alterations(table, [clause]))


# The sequence of a key


def own_sequence(table: Table, item: ColumnDifference) -> Plan:
    column, sequence = item.declared, _sequence(item)
    sql = f"ALTER SEQUENCE {sequence.name} OWNED BY {table.sql_name}.{identifier(column.name)}"
    reason = f"make {column.name} the owner of {sequence.name}"
    return _sequence_repair(table, column, Lock.ACCESS_EXCLUSIVE, reason, sql)


def log_sequence(table: Table, item: ColumnDifference) -> Plan:
    """Let a sequence keep its place when the server crashes."""
    sequence = _sequence(item)
    if not sequence.alterable:
        return Plan()  # refused by unusable_sequences()
    sql = f"ALTER SEQUENCE {sequence.name} SET LOGGED"
    return _sequence_repair(table, item.declared, Lock.ACCESS_EXCLUSIVE, f"make {sequence.name} LOGGED", sql)


def raise_sequence_limit(table: Table, item: ColumnDifference) -> Plan:
    """Let it reach the highest value of the column's type, and not start again."""
    column, sequence = item.declared, _sequence(item)
    if not sequence.alterable:
        return Plan()  # refused by unusable_sequences()
    if item.actual.next_value_is_too_low:
        return _start_anew(table, item, f"let {sequence.name} begin anew")
    type_ = _wider_type(item)
    limit = _whole_range(sequence, type_)
    sql = f"ALTER SEQUENCE {sequence.name}{limit} NO CYCLE"
    reason = f"raise the maximum of {sequence.name} to that of {type_}" if limit else f"let {sequence.name} end there"
    return _sequence_repair(table, column, Lock.SHARE_ROW_EXCLUSIVE, reason, sql)


def _wider_type(item: ColumnDifference) -> str:
    return max(item.declared.type, item.actual.type, key=MAX_INTEGERS.__getitem__)


def count_up(table: Table, item: ColumnDifference) -> Plan:
    """Let a sequence that counts down go up, past the highest key, under a lock that blocks inserts."""
    sequence = _sequence(item)
    if not sequence.alterable:
        return Plan()  # refused by unusable_sequences()
    if _keys_are_exhausted(table, item):
        return plan_of(_keys_exhausted(table, item))
    return _start_anew(table, item, f"let {sequence.name} count up")


def _start_anew(table: Table, item: ColumnDifference, reason: str) -> Plan:
    sequence = replace(_sequence(item), increment=1)
    range_ = f"AS {_wider_type(item)} INCREMENT BY 1 NO MINVALUE NO MAXVALUE NO CYCLE START WITH 1 RESTART"
    return _past_highest_key(table, item, sequence, reason, f"ALTER SEQUENCE {sequence.name} {range_}")


def advance_sequence(table: Table, item: ColumnDifference) -> Plan:
    """Advance a sequence past the highest key, under a lock that blocks inserts. It is never set back."""
    sequence = _sequence(item)
    if not sequence.settable:
        return Plan()  # refused by unusable_sequences()
    return _past_highest_key(table, item, sequence, f"advance {sequence.name}")


def _past_highest_key(table: Table, item: ColumnDifference, sequence: Sequence, reason: str, *before: str) -> Plan:
    name = identifier(item.name)
    highest = f"SELECT max({name}) AS highest FROM {table.sql_name} WHERE {name} < {sequence.end(item.actual.type)}"
    # Of both at once: on Citus, setval() is called here then, and not where the rows are.
    advance = (
        f"SELECT setval({literal(sequence.name)}, highest) FROM ({highest}) AS of_rows, {sequence.name}"
        f" WHERE highest >= {_next_value(sequence)}"
    )
    lock = f"LOCK TABLE {table.sql_name} IN SHARE ROW EXCLUSIVE MODE"
    reason = f"{reason} past the highest {item.name}"
    return _sequence_repair(table, item.declared, Lock.SHARE_ROW_EXCLUSIVE, reason, lock, *before, advance)


def refuse_exhausted(table: Table, item: ColumnDifference) -> Plan:
    """Refuse a sequence that has no value left, for which no column's type, or no row, leaves room."""
    if _keys_are_exhausted(table, item):
        return plan_of(_keys_exhausted(table, item))
    sequence, name = _sequence(item), identifier(item.name)
    if not sequence.settable:
        return Plan()  # refused by unusable_sequences()
    lowest = max(sequence.min_value, 1)
    set_back = (
        f"SELECT setval({literal(sequence.name)}, greatest(max({name}), {lowest}), max({name}) IS NOT NULL)"
        f" FROM {table.sql_name} WHERE {name} BETWEEN 1 AND {MAX_INTEGERS[item.actual.type] - 1}"
    )
    return plan_of(refusals.sequence_at_end(table, item, set_back))


def _keys_are_exhausted(table: Table, item: ColumnDifference) -> bool:
    """Whether rows have the highest values that there are, so that no sequence can go past them."""
    return table.next_keys.get(item.name, 0) > MAX_INTEGERS[item.actual.type]


def _keys_exhausted(table: Table, item: ColumnDifference) -> Refusal:
    if item.actual.type == "bigint":
        return refusals.keys_exhausted(table, item)
    return refusals.keys_exhausted(
        table, item, f"ALTER TABLE {table.sql_name} ALTER COLUMN {identifier(item.name)} TYPE bigint"
    )


def _sequence(item: ColumnDifference) -> Sequence:
    sequence = item.actual.sequence
    assert sequence is not None  # the difference is one of its sequence  # noqa: S101
    return sequence


def _sequence_repair(table: Table, column: Column, lock: Lock, reason: str, *statements: str) -> Plan:
    step = Step(statements, table.name, lock, reason, relations=(table.sql_name,))
    return plan_of(_repair(table, column, step))


# Sequences of others


#: What ALTER SEQUENCE settles, and what setval() does.
_ALTERED = (Kind.SEQUENCE_UNLOGGED, Kind.SEQUENCE_DIRECTION, Kind.SEQUENCE_LIMIT)
_SET = (Kind.SEQUENCE_BEHIND, Kind.SEQUENCE_EXHAUSTED)


def unusable_sequences(differences: Differences, role: str) -> Iterator[Refusal]:
    """Yield a refusal for each sequence with which `role` can't do what its key requires."""
    for item in differences.items:
        if isinstance(item, ColumnDifference):
            yield from _unusable_sequences(item, role)


def _unusable_sequences(item: ColumnDifference, role: str) -> Iterator[Refusal]:
    sequence = item.actual.sequence
    if item.kind is Kind.KEY_WITHOUT_GENERATOR:
        unreadable = [former for former in item.actual.former_sequences if not former.readable]
        yield from (refusals.may_not_use_sequence(item, former, role) for former in unreadable)
    elif sequence is not None and item.kind in _ALTERED and not sequence.alterable:
        yield refusals.sequence_of_another_owner(item, sequence, role)
    elif sequence is not None and (
        item.kind is Kind.SEQUENCE_PRIVILEGES or (item.kind in _SET and not sequence.settable)
    ):
        yield refusals.may_not_use_sequence(item, sequence, role)
