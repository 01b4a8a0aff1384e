"""Constraints: keys use a concurrently built index; foreign keys and checks are added NOT VALID, then validated."""

from ...comparison.differences import Leftover, MatchedConstraint, MissingConstraint, WrongConstraint
from ...schema.model import Constraint, ConstraintKind, HelperRole, Index, Schema, Table, helper_name, identifier
from .. import refusals
from ..dependencies import required_for_constraint, table_exists
from ..plan import Lock, Note, NoteCode, Phase, Plan, Refusal, Repair, Step, ViolationQuery, plan_of
from . import violations
from .replica_identity import replica_identity_clauses
from .steps import (
    add_key_using_index,
    alter_table,
    alterations,
    atomically,
    build_index,
    drop_constraint,
    validate_constraint,
)


def add_constraint(table: Table, item: MissingConstraint) -> Plan:
    if item.declared.kind.is_key:
        return _add_key(table, item)
    return _add_not_valid_and_validate(table, item.declared, None)


def replace_constraint(table: Table, item: WrongConstraint) -> Plan:
    if item.conflicting.kind is not item.declared.kind:
        return plan_of(_other_key(table, item))
    if item.declared.kind.is_key:
        return _replace_key(table, item)
    if item.actual is None:
        return _add_not_valid_and_validate(table, item.declared, item.conflicting)
    steps = _replace_and_rename(table, item.declared, item.actual.name, item.conflicting)
    return plan_of(_repair(Phase.FOREIGN_KEYS_AND_CHECKS, table, item.name, *steps))


def _repair(phase: Phase, table: Table, name: str, *steps: Step) -> Repair:
    return Repair(phase, table.name, (name,), steps)


# Primary keys, unique and exclusion constraints


def _add_key(table: Table, item: MissingConstraint) -> Plan:
    declared = item.declared
    if not _can_use_index(declared):
        return plan_of(_add_at_once(table, declared))
    steps = (*_unique_index(table, item), _use_index(table, item))
    return plan_of(_repair(Phase.KEYS, table, declared.name, *steps))


def _can_use_index(declared: Constraint) -> bool:
    return declared.kind is not ConstraintKind.EXCLUSION and "WITHOUT OVERLAPS" not in declared.definition


def _add_at_once(table: Table, declared: Constraint) -> Repair:
    """Add a constraint that can't use an existing index, if the table has no rows."""
    clause = f"ADD CONSTRAINT {identifier(declared.name)} {declared.sql}"
    step = Step(
        (f"ALTER TABLE {table.sql_name} {clause}",),
        table.name,
        Lock.ACCESS_EXCLUSIVE,
        f"add {declared.name}",
        online=False,
        relations=(table.sql_name,),
        violations=violations.any_rows(table, refusals.constraint_needs_lock(table, declared, clause)),
        check_first=True,
    )
    return _repair(Phase.KEYS, table, declared.name, step)


def _unique_index(table: Table, item: MissingConstraint | WrongConstraint) -> list[Step]:
    """Build the index for the constraint, unless there is one that it can use."""
    declared = item.declared
    if item.usable_index is not None or declared.index is None:
        return []
    helper = helper_name(HelperRole.NEW, table.name, declared.name)
    duplicates = violations.duplicates(table, declared.name, declared.index)
    return [build_index(table, declared.index, helper, f"build the index of {declared.name}", duplicates)]


def _use_index(table: Table, item: MissingConstraint | WrongConstraint, *first: str) -> Step:
    declared, usable = item.declared, item.usable_index
    index = usable.name if usable is not None else helper_name(HelperRole.NEW, table.name, declared.name)
    clauses = (*first, add_key_using_index(declared, index), *replica_identity_clauses([item]))
    return alter_table(table, f"add {declared.name} using {index}", *clauses)


def _replace_key(table: Table, item: WrongConstraint) -> Plan:
    if item.declared.kind is ConstraintKind.PRIMARY_KEY or not _can_use_index(item.declared):
        return plan_of(_other_key(table, item))
    steps = (*_unique_index(table, item), _use_index(table, item, drop_constraint(item.conflicting.name)))
    return plan_of(_repair(Phase.KEYS, table, item.name, *steps))


def _other_key(table: Table, item: WrongConstraint) -> Refusal:
    if item.declared.kind is not ConstraintKind.PRIMARY_KEY or item.conflicting.kind is not ConstraintKind.PRIMARY_KEY:
        return refusals.other_kind(table, item, item.conflicting)
    return refusals.other_primary_key(table, item, item.conflicting, _key_remedy(table, item))


def _key_remedy(table: Table, item: WrongConstraint) -> refusals.KeyRemedy:
    """Exchange the primary key in one statement, keeping the present one as a UNIQUE constraint.

    So the table is never without a primary key, which tells subscribers of a publication what row was changed; foreign
    keys that point to the present one are added again, and views that rely on it are created again.
    """
    declared, conflicting = item.declared, item.conflicting
    dependents = sorted((d for d in table.dependents if conflicting.name in d.keys), key=lambda d: d.level)
    unique = f"UNIQUE{conflicting.sql.removeprefix('PRIMARY KEY')}"
    clauses = [
        drop_constraint(conflicting.name),
        f"ADD CONSTRAINT {identifier(declared.name)} {declared.sql}",
        f"ADD {unique}",
    ]
    statements = [
        *(statement for dependent in reversed(dependents) for statement in dependent.drop),
        f"ALTER TABLE {table.sql_name} {', '.join(clauses)}",
        *alterations(table, replica_identity_clauses([item])),
        *(statement for dependent in dependents for statement in dependent.create),
    ]
    in_the_way = tuple(dependent.name for dependent in dependents if not dependent.restorable)
    missing = tuple(name for name in declared.columns if name not in table.columns)
    statement = None if in_the_way or missing else atomically(statements)
    return refusals.KeyRemedy(statement, in_the_way, missing, violations.refused_duplicates(table, declared))


def rebuild_key_index(table: Table, item: MatchedConstraint) -> Plan:
    """Rebuild the INVALID index of a key. It can't be dropped, since the key, and perhaps foreign keys, depend on it."""
    index = _index(item)
    step = Step(
        (f"REINDEX INDEX CONCURRENTLY {identifier(table.schema, index.name)}",),
        table.name,
        Lock.SHARE_UPDATE_EXCLUSIVE,
        f"rebuild the INVALID index of {item.name}",
        relations=(table.sql_name,),
        transactional=False,
        scans=True,
        violations=violations.duplicates(table, item.name, index),
    )
    return plan_of(_repair(Phase.INDEXES, table, item.name, step))


def _index(item: MatchedConstraint) -> Index:
    assert item.actual.index is not None  # the difference is one of its index  # noqa: S101
    return item.actual.index


# Foreign keys and checks


def _add_not_valid_and_validate(table: Table, declared: Constraint, conflicting: Constraint | None) -> Plan:
    """Add a foreign key or check NOT VALID, so that it rejects new wrong rows at once, then validate it for existing ones.

    A conflicting one is dropped only then, so that the rows are always checked.
    """
    # Under a helper name, so that the next run still finds the conflicting one to replace.
    name = declared.name if conflicting is None else helper_name(HelperRole.NEW, table.name, declared.name)
    add = f"ADD CONSTRAINT {identifier(name)} {declared.sql} NOT VALID"
    steps = [
        alter_table(table, f"add {declared.name}, NOT VALID", add, lock=_lock(declared), parent=declared.target),
        _validation(table, name, declared),
        *_replace_and_rename(table, declared, name, conflicting),
    ]
    notes = [] if conflicting is None or conflicting.enforced else [_not_enforced(table, conflicting)]
    return plan_of(_repair(Phase.FOREIGN_KEYS_AND_CHECKS, table, declared.name, *steps), *notes)


def add_foreign_key_to_new_table(table: Table, declared: Constraint, actual: Schema) -> Repair:
    """Add a foreign key to a table that the same plan creates, and that so has no rows to validate."""
    clause = f"ADD CONSTRAINT {identifier(declared.name)} {declared.sql}"
    step = alter_table(table, f"add {declared.name}", clause, lock=_lock(declared), parent=declared.target)
    requires = required_for_constraint(table.name, declared, actual) | {table_exists(table.name)}
    return Repair(Phase.FOREIGN_KEYS_AND_CHECKS, table.name, (declared.name,), (step,), requires=requires)


def validate(table: Table, item: MatchedConstraint) -> Plan:
    """Validate an existing constraint under its present name."""
    step = _validation(table, item.actual.name, item.declared)
    return plan_of(_repair(Phase.VALIDATION, table, item.name, step))


def _validation(table: Table, name: str, declared: Constraint) -> Step:
    is_foreign_key = declared.kind is ConstraintKind.FOREIGN_KEY
    query: ViolationQuery = (violations.orphans if is_foreign_key else violations.check_violations)(table, declared)
    return validate_constraint(table, name, f"validate {declared.name} for the existing rows", query)


def _replace_and_rename(table: Table, declared: Constraint, name: str, conflicting: Constraint | None) -> list[Step]:
    """Drop the conflicting constraint, and rename the right one from `name` to its declared name."""
    clauses = [] if conflicting is None else [drop_constraint(conflicting.name)]
    if name != declared.name:
        clauses.append(f"RENAME CONSTRAINT {identifier(name)} TO {identifier(declared.name)}")
    if not clauses:
        return []
    if conflicting is None:
        return [alter_table(table, f"rename {name} to {declared.name}", *clauses)]
    same_name = conflicting.name == declared.name
    reason = f"replace the wrong {declared.name}" if same_name else f"replace {conflicting.name} with {declared.name}"
    return [alter_table(table, reason, *clauses, parent=conflicting.target)]


def _not_enforced(table: Table, conflicting: Constraint) -> Note:
    found = "its triggers disabled" if conflicting.triggers_disabled else "it NOT ENFORCED"
    text = f"expected an enforced constraint, found {found}: rows were written unchecked. An enforced one replaces it."
    return Note(NoteCode.NOT_ENFORCED, table.name, conflicting.name, text)


def _lock(declared: Constraint) -> Lock:
    return Lock.SHARE_ROW_EXCLUSIVE if declared.kind is ConstraintKind.FOREIGN_KEY else Lock.ACCESS_EXCLUSIVE


def alter_deferrability(table: Table, item: MatchedConstraint) -> Plan:
    deferrability = item.declared.deferrability
    clause = f"ALTER CONSTRAINT {identifier(item.actual.name)} {deferrability}"
    step = alter_table(table, f"make {item.name} {deferrability}", clause)
    return plan_of(_repair(Phase.DEFERRABILITY, table, item.name, step))


def drop_leftover(table: Table, item: Leftover) -> Plan:
    reason = f"drop {item.name}, which an interrupted repair left"
    step = alter_table(table, reason, drop_constraint(item.name, if_exists=True))
    return plan_of(_repair(Phase.LEFTOVERS, table, item.name, step))
