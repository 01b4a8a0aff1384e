"""Makes a Plan of Differences: asks each kind's repairs for their steps, and refuses what no repair can decide."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from ..comparison.differences import Difference, Differences, Extra, Kind
from ..schema.introspection import Server
from ..schema.model import Constraint, Table, identifier
from .builder import Draft
from .dependencies import needed_by
from .plan import Note, Plan, Refusal
from .repairs import columns, constraints, indexes, tables
from .repairs.constraint_names import let_step_aside, refuse_taken_names, rename_constraints
from .repairs.index_names import settle_names
from .repairs.parents import look_at_parents, not_a_table, unlogged
from .repairs.replica_identity import refuse_losses

T = TypeVar("T")


def make_plan(differences: Differences, server: Server) -> Plan:
    draft = Draft(differences.actual)
    look_at_parents(draft, differences)
    items = settle_names(draft, _of_repairable(draft, _with_tables(draft, differences.items)))
    tables.create_missing_tables(draft, items)
    for name, of_table in _by_table(items).items():
        _plan_items(draft, differences.actual.tables[name], of_table)
    draft.put_aside_what_waits()
    draft.notes += _surroundings(differences)
    draft.refusals += _beyond_the_role(draft, differences, server)
    return draft.finished()


def _with_tables(draft: Draft, items: Iterable[Difference]) -> list[Difference]:
    """Refuse what has a table's name and is none, and return the other differences."""
    thieves = [item for item in items if item.kind is Kind.TABLE_NOT_A_TABLE]
    for item in thieves:
        draft.refuse(not_a_table(item.table, draft.actual.holders[item.table]), item)
    return [item for item in items if item.kind is not Kind.TABLE_NOT_A_TABLE]


def _of_repairable(draft: Draft, items: Sequence[Difference]) -> list[Difference]:
    """Refuse what differs in tables of which nothing can be repaired here, and return the other differences."""
    refused = set()
    for name, of_table in _by_table(items).items():
        table = draft.actual.tables[name]
        if table.kind == "p" or table.rows_hidden:
            refusal = _partitioned(table, of_table) if table.kind == "p" else _rows_hidden(table, of_table)
            draft.refuse(refusal, *of_table)
            refused.add(name)
    return [item for item in items if item.table not in refused]


def _by_table(items: Iterable[Difference]) -> dict[str, list[Difference]]:
    result = defaultdict(list)
    for item in items:
        if item.kind is not Kind.TABLE_MISSING:
            result[item.table].append(item)
    return result


def _partitioned(table: Table, items: Sequence[Difference]) -> Refusal:
    return Refusal(
        "partitioned",
        table.name,
        table.name,
        "is partitioned, where indexes can't be built concurrently nor constraints be added in steps. "
        + _listed(items),
        "Repair each partition and attach it, or make this an ordinary table, then run migrate again.",
    )


def _rows_hidden(table: Table, items: Sequence[Difference]) -> Refusal:
    return Refusal(
        "row-level-security",
        table.name,
        table.name,
        "row level security hides rows from this role, so that repairs would miss them. " + _listed(items),
        "Run migrate as a role with BYPASSRLS, or, for the time of the repair,"
        f" ALTER TABLE {table.sql_name} NO FORCE ROW LEVEL SECURITY.",
    )


def _listed(items: Sequence[Difference]) -> str:
    return "; ".join(f"{item.name}: expected {item.expected}, found {item.actual}" for item in items) + "."


# A table's differences

_Planner = Callable[[Draft, Table, Difference], None]


def _unlogged(draft: Draft, table: Table, item: Difference) -> None:
    draft.refusals.append(unlogged(table))


def _leftover(draft: Draft, table: Table, item: Difference) -> None:
    drop = constraints.drop_leftover if isinstance(item.found, Constraint) else indexes.drop_leftover
    drop(draft, table, item)


_PLANNERS: dict[Kind, _Planner] = {
    Kind.TABLE_UNLOGGED: _unlogged,
    Kind.COLUMN_MISSING: columns.add_column,
    Kind.COLUMN_TYPE: columns.change_type,
    Kind.COLUMN_NULLABLE: columns.set_not_null,
    Kind.COLUMN_NOT_NULL: columns.drop_not_null,
    Kind.COLUMN_NOT_NULL_UNVALIDATED: columns.validate_not_null,
    Kind.COLUMN_NOT_NULL_NO_INHERIT: columns.inherit_not_null,
    Kind.COLUMN_DEFAULT: columns.change_default,
    Kind.KEY_WITHOUT_GENERATOR: columns.add_generator,
    Kind.KEY_ALWAYS_GENERATED: columns.generate_by_default,
    Kind.SEQUENCE_NOT_OWNED: columns.own_sequence,
    Kind.SEQUENCE_LIMIT: columns.lift_limit,
    Kind.SEQUENCE_BEHIND: columns.advance_sequence,
    Kind.INDEX_MISSING: indexes.create_index,
    Kind.INDEX_INVALID: indexes.rebuild_index,
    Kind.INDEX_DEFINITION: indexes.replace_index,
    Kind.INDEX_PARAMETERS: indexes.set_parameters,
    Kind.CONSTRAINT_MISSING: constraints.add_constraint,
    Kind.KEY_INDEX_INVALID: constraints.rebuild_key_index,
    Kind.CONSTRAINT_DEFINITION: constraints.replace_constraint,
    Kind.CONSTRAINT_UNVALIDATED: constraints.prove_rule,
    Kind.CONSTRAINT_DEFERRABILITY: constraints.alter_timing,
    Kind.LEFTOVER: _leftover,
}

#: Names are given together, since they may have to be swapped.
_TOGETHER: dict[tuple[Kind, ...], Callable[[Draft, Table, Sequence[Difference]], None]] = {
    (Kind.INDEX_NAME,): indexes.rename_indexes,
    (Kind.COLUMN_NOT_NULL_NAME, Kind.CONSTRAINT_NAME): rename_constraints,
}


def _plan_items(draft: Draft, table: Table, items: Sequence[Difference]) -> None:
    table, items = let_step_aside(draft, table, refuse_losses(draft, table, items))
    items = refuse_taken_names(draft, table, items)
    one_by_one = [item for item in items if item.kind in _PLANNERS]
    # What stands on a type is known to wait only when the type is known to be refused.
    types = [item for item in one_by_one if item.kind is Kind.COLUMN_TYPE]
    for item in types:
        _plan(draft, table, _PLANNERS[item.kind], item, [item])
    draft.fills[table.name] = dict(_fills(draft, items))
    for kinds, rename in _TOGETHER.items():
        if together := [item for item in items if item.kind in kinds]:
            _plan(draft, table, rename, together, together)
    for item in one_by_one:
        if item not in types:
            _plan(draft, table, _PLANNERS[item.kind], item, [item])


def _fills(draft: Draft, items: Sequence[Difference]) -> Iterator[tuple[str, str]]:
    nullable = [i for i in items if i.kind in (Kind.COLUMN_NULLABLE, Kind.COLUMN_NOT_NULL_UNVALIDATED)]
    for item in nullable:
        value = item.wanted.value_for_nulls
        if value is not None and not draft.undone.lacks(needed_by(item, draft.actual)):
            yield item.name, value


def _plan(
    draft: Draft, table: Table, planner: Callable[[Draft, Table, T], None], planned: T, items: Sequence[Difference]
) -> None:
    """Plan `items` by themselves, so that it is known what was planned for them."""
    part = draft.part()
    planner(part, table, planned)
    draft.take(part, items)


# What the role, the server or the surroundings don't allow


def _beyond_the_role(draft: Draft, differences: Differences, server: Server) -> Iterator[Refusal]:
    """Refuse, before the first change, what would fail for want of a privilege in the middle of it."""
    changed = {repair.table for repair in draft.repairs} | draft.created
    for name in sorted(changed):
        table = differences.actual.tables.get(name)
        if table is not None and not table.owned:
            yield _not_owner(table, server)
    if not server.may_create and _makes_relations(draft, differences):
        yield _may_not_create(differences, server)
    for parent in _unreferenceable(differences, changed):
        yield _may_not_reference(parent, server)


def _not_owner(table: Table, server: Server) -> Refusal:
    return Refusal(
        "not-owner",
        table.name,
        table.name,
        f"it must be changed, and only its owner may: expected {server.role}, found {table.owner}.",
        f"Run migrate as {table.owner}, or ALTER TABLE {table.sql_name} OWNER TO {identifier(server.role)}.",
        fatal=True,
    )


#: What takes a new relation, or a new name of one, for which PostgreSQL wants CREATE on the schema.
_MAKE_RELATIONS = frozenset({Kind.INDEX_NAME, Kind.KEY_WITHOUT_GENERATOR})


def _makes_relations(draft: Draft, differences: Differences) -> bool:
    if draft.created or any(step.builds for repair in draft.repairs for step in repair.steps):
        return True
    return any(item.kind in _MAKE_RELATIONS for item in differences.items)


def _may_not_create(differences: Differences, server: Server) -> Refusal:
    schema = differences.actual.name
    return Refusal(
        "may-not-create",
        schema,
        schema,
        "tables, indexes or sequences have to be made or renamed in this schema, which the role"
        f" {server.role} may not.",
        f"GRANT CREATE ON SCHEMA {identifier(schema)} TO {identifier(server.role)}, then run migrate again.",
        fatal=True,
    )


def _unreferenceable(differences: Differences, changed: set[str]) -> list[Table]:
    """Find the parents that new foreign keys will point to, and that this role may not reference."""
    targets = {
        constraint.target[1]
        for item in differences.items
        if item.table in changed and item.kind in (Kind.TABLE_MISSING, Kind.CONSTRAINT_MISSING)
        for constraint in (item.wanted.constraints if item.kind is Kind.TABLE_MISSING else [item.wanted])
        if constraint.target is not None
    }
    found = [differences.actual.tables[name] for name in sorted(targets) if name in differences.actual.tables]
    return [table for table in found if not table.may_reference]


def _may_not_reference(table: Table, server: Server) -> Refusal:
    return Refusal(
        "may-not-reference",
        table.name,
        table.name,
        f"a foreign key must point to it, and the role {server.role} lacks the privilege REFERENCES on it.",
        f"GRANT REFERENCES ON {table.sql_name} TO {identifier(server.role)}, then run migrate again.",
        fatal=True,
    )


def _surroundings(differences: Differences) -> Iterator[Note]:
    for table in differences.actual.tables.values():
        if table.shadowed_by is not None and table.name in differences.expected.tables:
            text = (
                f"queries for it find {identifier(table.shadowed_by, table.name)} instead, which is earlier on the"
                " search path. This one is the one that is kept in order."
            )
            yield Note("shadowed", table.name, table.name, text)
    for relation in differences.actual.homonyms:
        if relation.name in differences.expected.tables and relation.kind in "rpvmf":
            ours, theirs = differences.actual.name, relation.schema
            text = f"this table is kept in the schema {ours}; the one of its name in {theirs} is left alone."
            yield Note("another-schema", relation.name, relation.name, text)
    yield from _extras(differences.extras)


def _extras(extras: Sequence[Extra]) -> Iterator[Note]:
    """Note what isn't declared: what may do harm by name, the rest of a table in one line."""
    harmless = defaultdict(list)
    for extra in extras:
        if extra.warning:
            yield Note(
                f"extra-{extra.kind}", extra.table, extra.name, f"isn't declared, and is left alone: {extra.warning}."
            )
        else:
            harmless[extra.table].append(f"{extra.kind} {extra.name}")
    for table, found in harmless.items():
        yield Note("extra", table, table, f"left alone, since no model declares them: {', '.join(found)}.")
