"""Makes a plan for differences, from what the modules in `repairs` decide about each kind.

1. Record which conditions on undeclared parent tables can't be met, and which by what is ignored: repairs may require them.
2. Refuse the tables of which nothing can be repaired.
3. Settle the names of indexes and keys over all tables, since all relations of a schema share them.
4. Plan to create the missing tables, together.
5. Plan the repairs of each existing table.
6. Remove the repairs that are blocked, and report them with their causes.
7. Refuse everything if the role lacks a privilege for what is left; note what standbys have to wait for.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ..comparison.differences import (
    ColumnDifference,
    Difference,
    Differences,
    FunctionDifference,
    Kind,
    Leftover,
    MatchedConstraint,
    MatchedIndex,
    MissingColumn,
    MissingConstraint,
    MissingIndex,
    MissingTable,
    NoReplicaIdentity,
    NotATable,
    RejectedFunction,
    RejectedTable,
    TableComment,
    TriggerDifference,
    UnloggedTable,
    WrongConstraint,
    WrongIndex,
)
from ..schema.model import Constraint, RelationKind, Server, Table
from . import refusals
from .builder import PlanBuilder
from .dependencies import provided_by, required_by, rows_are_visible
from .environment_notes import (
    collation_note,
    environment_notes,
    ignored_note,
    outdated_collations_note,
    standby_note,
)
from .plan import Plan, Refusal, RefusalCode, plan_of
from .privileges import missing_privileges, owns_nothing
from .repairs import columns, constraints, indexes, key_generation, triggers
from .repairs.column_types import Target, change_type
from .repairs.constraint_names import refused_names, rename_constraints, rename_temporarily
from .repairs.index_names import settle_index_names
from .repairs.inherited import inherited_differences
from .repairs.parents import unmet_parent_conditions
from .repairs.renamed_tables import refusal_if_renamed
from .repairs.replica_identity import identify_rows_by_key, replica_identity_losses
from .repairs.tables import change_table_comment, create_missing_tables
from .repairs.unlogged import in_order, refuse_unlogged
from .repairs.violations import fill_value


def make_plan(differences: Differences, server: Server) -> Plan:
    builder = PlanBuilder(differences.actual)
    for cause, condition in unmet_parent_conditions(differences):
        builder.add_potential_cause(cause, frozenset({condition}))
    _block_on_ignored(builder, differences)
    _plan_functions(builder, differences.items, server.role)
    items = _refuse_unrepairable(builder, differences, server.role)
    _block_on_hidden_rows(builder, server.role)
    names = settle_index_names(items, builder.actual, builder.blockers)
    builder.merge_with_blockers(names.plan, names.blockers)
    new_tables = create_missing_tables(names.items, builder.actual, builder.blockers)
    builder.merge_with_blockers(new_tables.plan, new_tables.blockers)
    target = Target(differences.declared, server.version_number)
    for name, of_table in _by_table(names.items).items():
        declared = differences.declared.tables[name]
        table = triggers.with_triggers_to_come(builder.actual.tables[name], declared, of_table)
        _plan_table(builder, replace(table, append_only=declared.append_only), of_table, target)
    builder.remove_blocked()
    builder.notes += environment_notes(differences)
    builder.refusals += missing_privileges(builder.repairs, differences, server)
    builder.refusals += key_generation.unusable_sequences(differences, server.role)
    server_notes = (
        collation_note(server),
        outdated_collations_note(server),
        standby_note(builder.repairs, differences, server),
    )
    builder.notes += (note for note in server_notes if note is not None)
    plan, tables = builder.build(), differences.actual.tables
    refused = [refusals.with_owner(refusal, tables.get(refusal.table)) for refusal in in_order(plan.refusals, tables)]
    owners = tuple(builder.repairs) if owns_nothing(differences, server) else ()
    return replace(plan, refusals=tuple(refused), owners=owners)


def _block_on_ignored(builder: PlanBuilder, differences: Differences) -> None:
    """Note what is ignored, and record that what requires it is blocked. A column of another type is there all the same."""
    for item in differences.ignored:
        note = ignored_note(item)
        builder.notes.append(note)
        if isinstance(item, Difference) and item.kind is not Kind.COLUMN_TYPE:
            builder.blockers = builder.blockers.block(note, provided_by(item))


def _plan_functions(builder: PlanBuilder, items: Sequence[Difference], role: str) -> None:
    for item in items:
        if isinstance(item, FunctionDifference):
            builder.merge(triggers.repair_function(builder.actual.name, item, role), [item])
        if isinstance(item, RejectedFunction):
            builder.refuse(refusals.function_rejected(item), [item])


def _refuse_unrepairable(builder: PlanBuilder, differences: Differences, role: str) -> list[Difference]:
    """Refuse relations that aren't tables, and tables that can't be repaired. Return the other differences."""
    items = differences.items
    for item in items:
        if isinstance(item, NotATable):
            builder.refuse(refusals.not_a_table(item.table, item.name_owner), [item])
        if isinstance(item, RejectedTable):
            builder.refuse(refusals.table_rejected(item), [item])
    refused = _refuse_found_elsewhere(builder, differences)
    for name, of_table in _by_table(items).items():
        refusal = _unrepairable(builder.actual.tables[name], of_table, role)
        if refusal is not None:
            builder.refuse(refusal, of_table)
            refused.add(name)
    return [item for item in items if item.table not in refused and not isinstance(item, NotATable | RejectedTable)]


def _refuse_found_elsewhere(builder: PlanBuilder, differences: Differences) -> set[str]:
    """Refuse the missing tables that are filled in another schema of the search path, or renamed. Return their names."""
    refused = set()
    for item in differences.items:
        if isinstance(item, MissingTable) and (refusal := _found_elsewhere(item, differences)) is not None:
            builder.refuse(refusal, [item])
            refused.add(item.table)
    return refused


def _found_elsewhere(item: MissingTable, differences: Differences) -> Refusal | None:
    actual, key = differences.actual, item.declared.primary_key
    found = actual.table_elsewhere(item.table, key.columns) if key is not None else None
    if found is not None:
        return refusals.found_elsewhere(item.table, actual.name, found)
    return refusal_if_renamed(item, differences.declared, actual)


def _by_table(items: Iterable[Difference]) -> dict[str, list[Difference]]:
    """Return the differences of the tables that exist, by table."""
    result = defaultdict(list)
    for item in items:
        if not isinstance(item, MissingTable | NotATable | RejectedTable | FunctionDifference | RejectedFunction):
            result[item.table].append(item)
    return result


def _unrepairable(table: Table, items: Sequence[Difference], role: str) -> Refusal | None:
    if table.kind is RelationKind.PARTITIONED_TABLE:
        return refusals.partitioned(table, items)
    return (
        refusals.rows_hidden(table, role, f"repairs would miss them. What differs: {refusals.listed(items)}")
        if table.rows_hidden
        else None
    )


def _block_on_hidden_rows(builder: PlanBuilder, role: str) -> None:
    """Record that what reads the rows of a table is blocked where row-level security hides some of them."""
    refused = {refusal.table: refusal for refusal in builder.refusals if refusal.code is RefusalCode.ROW_LEVEL_SECURITY}
    for table in builder.actual.tables.values():
        if not table.rows_hidden:
            continue
        visible = frozenset({rows_are_visible(table.name)})
        if table.name in refused:
            builder.blockers = builder.blockers.block(refused[table.name], visible)
        else:
            what = "foreign keys to this table would take them for missing."
            builder.add_potential_cause(refusals.rows_hidden(table, role, what), visible)


# The differences of a table


def _plan_table(builder: PlanBuilder, table: Table, items: Sequence[Difference], target: Target) -> None:
    inherited = inherited_differences(table, items)
    if inherited:
        builder.refuse(refusals.inherited(table, inherited), inherited)
        items = [item for item in items if item not in inherited]
    lost = replica_identity_losses(table, items)
    for item in lost:
        builder.refuse(refusals.replica_identity(table, item), [item])
    renames = rename_temporarily(table, [item for item in items if item not in lost])
    builder.merge(renames.plan)
    refused = refused_names(renames.table, renames.items)
    for refusal, item in refused:
        builder.refuse(refusal, [item])
    refused_items = [item for _, item in refused]
    _plan_repairs(builder, renames.table, [item for item in renames.items if item not in refused_items], target)


def _plan_repairs(builder: PlanBuilder, table: Table, items: Sequence[Difference], target: Target) -> None:
    # First the types: where one is refused, a backfill of its column is blocked.
    types = [item for item in items if isinstance(item, ColumnDifference) and item.kind is Kind.COLUMN_TYPE]
    for of_type in types:
        builder.merge(change_type(table, of_type, target), [of_type])
    backfills = _backfills(builder, table, items)
    # Objects are renamed together, since names may have to be swapped.
    misnamed_indexes = [item for item in items if isinstance(item, MatchedIndex) and item.kind is Kind.INDEX_NAME]
    if misnamed_indexes:
        builder.merge(indexes.rename_indexes(table, misnamed_indexes), misnamed_indexes)
    misnamed = [item for item in items if item.kind in (Kind.COLUMN_NOT_NULL_NAME, Kind.CONSTRAINT_NAME)]
    if misnamed:
        builder.merge(rename_constraints(table, misnamed), misnamed)
    for item in items:
        builder.merge(_plan_difference(table, item, backfills), [item])


def _backfills(builder: PlanBuilder, table: Table, items: Sequence[Difference]) -> dict[str, str]:
    """Return the values for NULLs, by column, of the columns whose backfill isn't blocked."""
    nullable = (Kind.COLUMN_NULLABLE, Kind.COLUMN_NOT_NULL_UNVALIDATED)
    values = {}
    for item in items:
        if isinstance(item, ColumnDifference) and item.kind in nullable:
            value = fill_value(table, item.declared)
            if value is not None and not builder.blockers.blocked_by(required_by(item, builder.actual)):
                values[item.name] = value
    return values


def _plan_difference(table: Table, item: Difference, backfills: columns.Backfills) -> Plan:
    """Return what to do about a difference by itself; an empty plan for those that are settled together."""
    match item:
        case ColumnDifference() | MissingColumn():
            return _plan_column(table, item, backfills)
        case MissingIndex() | WrongIndex() | MatchedIndex():
            return _plan_index(table, item)
        case MissingConstraint() | WrongConstraint() | MatchedConstraint():
            return _plan_constraint(table, item)
        case _:
            return _plan_other(table, item)


def _plan_other(table: Table, item: Difference) -> Plan:
    match item:
        case TriggerDifference():
            return triggers.repair_trigger(table, item)
        case UnloggedTable():
            return plan_of(refuse_unlogged(table))
        case NoReplicaIdentity():
            return plan_of(identify_rows_by_key(table))
        case TableComment():
            return plan_of(change_table_comment(table, item))
        case Leftover():
            drop = constraints.drop_leftover if isinstance(item.actual, Constraint) else indexes.drop_leftover
            return drop(table, item)
    return Plan()


_COLUMN_REPAIRS: dict[Kind, Callable[[Table, ColumnDifference], Plan]] = {
    Kind.COLUMN_NOT_NULL: columns.drop_not_null,
    Kind.COLUMN_DEFAULT: columns.change_default,
    Kind.COLUMN_COMMENT: columns.change_comment,
    Kind.KEY_WITHOUT_GENERATOR: key_generation.generate_keys,
    Kind.KEY_ALWAYS_GENERATED: key_generation.alter_identity,
    Kind.KEY_NOT_ALWAYS_GENERATED: key_generation.alter_identity,
    Kind.SEQUENCE_NOT_OWNED: key_generation.own_sequence,
    Kind.SEQUENCE_UNLOGGED: key_generation.log_sequence,
    Kind.SEQUENCE_DIRECTION: key_generation.count_up,
    Kind.SEQUENCE_LIMIT: key_generation.raise_sequence_limit,
    Kind.SEQUENCE_BEHIND: key_generation.advance_sequence,
    Kind.SEQUENCE_EXHAUSTED: key_generation.refuse_exhausted,
}

#: Repairs that backfill, for which they take the values of all columns that are backfilled.
_BACKFILLING_REPAIRS: dict[Kind, Callable[[Table, ColumnDifference, columns.Backfills], Plan]] = {
    Kind.COLUMN_NULLABLE: columns.set_not_null,
    Kind.COLUMN_NOT_NULL_UNVALIDATED: columns.validate_not_null,
    Kind.COLUMN_NOT_NULL_NO_INHERIT: columns.inherit_not_null,
}


def _plan_column(table: Table, item: ColumnDifference | MissingColumn, backfills: columns.Backfills) -> Plan:
    if isinstance(item, MissingColumn):
        return columns.add_column(table, item, backfills)
    if item.kind in _BACKFILLING_REPAIRS:
        return _BACKFILLING_REPAIRS[item.kind](table, item, backfills)
    return _COLUMN_REPAIRS[item.kind](table, item) if item.kind in _COLUMN_REPAIRS else Plan()


def _plan_index(table: Table, item: MissingIndex | WrongIndex | MatchedIndex) -> Plan:
    if isinstance(item, MissingIndex):
        return indexes.create_index(table, item)
    if isinstance(item, WrongIndex):
        repair = indexes.rebuild_index if item.kind is Kind.INDEX_INVALID else indexes.replace_index
        return repair(table, item)
    return indexes.set_parameters(table, item) if item.kind is Kind.INDEX_PARAMETERS else Plan()


_MATCHED_CONSTRAINT_REPAIRS: dict[Kind, Callable[[Table, MatchedConstraint], Plan]] = {
    Kind.KEY_INDEX_INVALID: constraints.rebuild_key_index,
    Kind.CONSTRAINT_UNVALIDATED: constraints.validate,
    Kind.CONSTRAINT_DEFERRABILITY: constraints.alter_deferrability,
}


def _plan_constraint(table: Table, item: MissingConstraint | WrongConstraint | MatchedConstraint) -> Plan:
    if isinstance(item, MissingConstraint):
        return constraints.add_constraint(table, item)
    if isinstance(item, WrongConstraint):
        return constraints.replace_constraint(table, item)
    repair = _MATCHED_CONSTRAINT_REPAIRS.get(item.kind)
    return Plan() if repair is None else repair(table, item)
