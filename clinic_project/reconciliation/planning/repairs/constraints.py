"""Constraints: keys from indexes that were built concurrently; foreign keys and checks NOT VALID first, then validated."""

from ...comparison.differences import Difference
from ...schema.model import Constraint, Table, helper_name, identifier
from ..builder import Draft
from ..dependencies import Is, needed_by_constraint
from ..plan import Footing, Guard, Lock, Note, Phase, Refusal, Repair, Step
from . import violations as guards
from .columns import validate
from .indexes import build
from .replica_identity import handed_over


def _alter(table: Table, lock: str, reason: str, *clauses: str, parent: tuple[str, str] | None = None) -> Step:
    statements = tuple(f"ALTER TABLE {table.sql_name} {clause}" for clause in clauses)
    relations = (table.sql_name,) if parent is None else (table.sql_name, identifier(*parent))
    return Step(statements, table.name, lock, reason, relations=relations)


def _drop(constraint: Constraint) -> str:
    return f"DROP CONSTRAINT {identifier(constraint.name)}"


# Primary keys, unique and exclusion constraints


def add_key(draft: Draft, table: Table, item: Difference) -> None:
    wanted = item.wanted
    if not _can_use_index(wanted):
        _add_directly(draft, table, wanted)
    else:
        steps = (*_unique_index(table, item, wanted), _use_index(table, item, wanted))
        draft.repairs.append(Repair(Phase.KEYS, table.name, (wanted.name,), steps))


def _can_use_index(wanted: Constraint) -> bool:
    return wanted.kind != "x" and "WITHOUT OVERLAPS" not in wanted.definition


def _add_directly(draft: Draft, table: Table, wanted: Constraint) -> None:
    clause = f"ADD CONSTRAINT {identifier(wanted.name)} {wanted.text}"
    guard = guards.any_rows(
        table,
        wanted.name,
        f"the constraint {wanted.text} is missing, and adding it to {{count}} rows locks the table while its index is"
        " built.",
        f"At a time when that can be, run: ALTER TABLE {table.sql_name} {clause}",
        code="constraint-needs-lock",
    )
    step = Step(
        (f"ALTER TABLE {table.sql_name} {clause}",),
        table.name,
        Lock.ACCESS_EXCLUSIVE,
        f"add {wanted.name}",
        online=False,
        relations=(table.sql_name,),
        guard=guard,
        check_first=True,
    )
    draft.repairs.append(Repair(Phase.KEYS, table.name, (wanted.name,), (step,)))


def _unique_index(table: Table, item: Difference, wanted: Constraint) -> list[Step]:
    """Build the index that the constraint will use, unless one that can be used is there."""
    if item.found is not None or wanted.index is None:
        return []
    helper = helper_name("new", table.name, wanted.name)
    guard = guards.duplicates(table, wanted.name, wanted.index)
    return [build(table, wanted.index, helper, f"build the index of {wanted.name}", guard)]


def _use_index(table: Table, item: Difference, wanted: Constraint, *first: str) -> Step:
    index = item.found.name if item.found is not None else helper_name("new", table.name, wanted.name)
    kind = "PRIMARY KEY" if wanted.kind == "p" else "UNIQUE"
    timing = f" {wanted.timing}" if wanted.deferrable else ""
    clause = f"ADD CONSTRAINT {identifier(wanted.name)} {kind} USING INDEX {identifier(index)}{timing}"
    return _alter(table, Lock.ACCESS_EXCLUSIVE, f"make it {wanted.name}", *first, clause, *handed_over(table, [item]))


def replace_key(draft: Draft, table: Table, item: Difference) -> None:
    wanted, holder = item.wanted, item.holder
    if wanted.kind == "p" or not _can_use_index(wanted):
        draft.refusals.append(_other_key(table, item, wanted, holder))
        return
    steps = (*_unique_index(table, item, wanted), _use_index(table, item, wanted, _drop(holder)))
    draft.repairs.append(Repair(Phase.KEYS, table.name, (wanted.name,), steps))


def _other_key(table: Table, item: Difference, wanted: Constraint, holder: Constraint) -> Refusal:
    return Refusal(
        "other-key",
        table.name,
        wanted.name,
        f"expected {item.expected}, found {holder.name}: {holder.text}. What relies on that one is not known here.",
        f"If nothing does, drop it (ALTER TABLE {table.sql_name} {_drop(holder)}), or give it another name, then run"
        " migrate again.",
    )


# Foreign keys and checks


def add_missing_rule(draft: Draft, table: Table, item: Difference) -> None:
    add_rule(draft, table, item.wanted, item.holder)


def add_rule(draft: Draft, table: Table, wanted: Constraint, holder: Constraint | None = None) -> None:
    """Add a foreign key or check so that it guards new rows at once, then prove it for the others.

    One that it replaces goes only then, so that the rows are never unguarded.
    """
    # Under a helper name, the next run sees that the one to be replaced is no stranger.
    name = wanted.name if holder is None else helper_name("new", table.name, wanted.name)
    add = f"ADD CONSTRAINT {identifier(name)} {wanted.text} NOT VALID"
    if holder is not None and not holder.enforced:
        draft.notes.append(_not_enforced(table, holder))
    steps = [
        _alter(table, _lock(wanted), f"guard new rows by {wanted.name}", add, parent=wanted.target),
        validate(table, name, f"prove {wanted.name} for the rows that are there", _guard(table, wanted)),
        *_settle(table, wanted, name, holder),
    ]
    draft.repairs.append(Repair(Phase.RULES, table.name, (wanted.name,), tuple(steps)))


def add_rule_at_once(draft: Draft, table: Table, wanted: Constraint) -> None:
    """Add a foreign key to a table that is made by the same plan, and so has no rows to prove it for."""
    clause = f"ADD CONSTRAINT {identifier(wanted.name)} {wanted.text}"
    step = _alter(table, _lock(wanted), f"add {wanted.name}", clause, parent=wanted.target)
    needs = needed_by_constraint(table.name, wanted, draft.actual) | {Footing(Is.A_TABLE, table.name)}
    draft.repairs.append(Repair(Phase.RULES, table.name, (wanted.name,), (step,), needs=needs))


def prove_rule(draft: Draft, table: Table, item: Difference) -> None:
    """Validate a right one that is there, under the name that it has now."""
    wanted, found = item.wanted, item.found
    reason = f"prove {wanted.name} for the rows that are there"
    step = validate(table, found.name, reason, _guard(table, wanted))
    draft.repairs.append(Repair(Phase.PROOFS, table.name, (wanted.name,), (step,)))


def finish_rule(draft: Draft, table: Table, item: Difference) -> None:
    """Put away what contradicts a right one that is there, or has its name, and give it that."""
    steps = _settle(table, item.wanted, item.found.name, item.holder)
    draft.repairs.append(Repair(Phase.RULES, table.name, (item.name,), tuple(steps)))


def _settle(table: Table, wanted: Constraint, name: str, holder: Constraint | None) -> list[Step]:
    clauses = [] if holder is None else [_drop(holder)]
    if name != wanted.name:
        clauses.append(f"RENAME CONSTRAINT {identifier(name)} TO {identifier(wanted.name)}")
    if not clauses:
        return []
    reason = f"put {wanted.name} in the place of {holder.name}" if holder else f"name it {wanted.name}"
    parent = None if holder is None else holder.target
    return [_alter(table, Lock.ACCESS_EXCLUSIVE, reason, *clauses, parent=parent)]


def _not_enforced(table: Table, holder: Constraint) -> Note:
    why = "its triggers are disabled" if holder.triggers_disabled else "it is NOT ENFORCED"
    text = f"expected to be enforced, but {why}: rows were written unchecked. One that is enforced takes its place."
    return Note("not-enforced", table.name, holder.name, text)


def _lock(wanted: Constraint) -> str:
    return Lock.SHARE_ROW_EXCLUSIVE if wanted.kind == "f" else Lock.ACCESS_EXCLUSIVE


def _guard(table: Table, wanted: Constraint) -> Guard:
    return guards.orphans(table, wanted) if wanted.kind == "f" else guards.violators(table, wanted)


def replace_constraint(draft: Draft, table: Table, item: Difference) -> None:
    if item.holder.kind != item.wanted.kind:
        draft.refusals.append(_other_key(table, item, item.wanted, item.holder))
    elif item.wanted.kind in "pux":
        replace_key(draft, table, item)
    elif item.found is None:
        add_missing_rule(draft, table, item)
    else:
        finish_rule(draft, table, item)


def add_constraint(draft: Draft, table: Table, item: Difference) -> None:
    if item.wanted.kind in "pux":
        add_key(draft, table, item)
    else:
        add_missing_rule(draft, table, item)


def rebuild_key_index(draft: Draft, table: Table, item: Difference) -> None:
    """Rebuild the INVALID index behind a key. It can't be dropped, since the key, and foreign keys, stand on it."""
    index = identifier(table.schema, item.found.index.name)
    step = Step(
        (f"REINDEX INDEX CONCURRENTLY {index}",),
        table.name,
        Lock.SHARE_UPDATE_EXCLUSIVE,
        f"rebuild the index of {item.name}, which was left INVALID",
        relations=(table.sql_name,),
        transactional=False,
        scans=True,
        guard=guards.duplicates(table, item.name, item.found.index),
    )
    draft.repairs.append(Repair(Phase.INDEXES, table.name, (item.name,), (step,)))


def alter_timing(draft: Draft, table: Table, item: Difference) -> None:
    wanted = item.wanted
    clause = f"ALTER CONSTRAINT {identifier(item.found.name)} {wanted.timing}"
    step = _alter(table, Lock.ACCESS_EXCLUSIVE, f"make {wanted.name} {wanted.timing}", clause)
    draft.repairs.append(Repair(Phase.TIMING, table.name, (wanted.name,), (step,)))


def drop_leftover(draft: Draft, table: Table, item: Difference) -> None:
    clause = f"DROP CONSTRAINT IF EXISTS {identifier(item.name)}"
    step = _alter(table, Lock.ACCESS_EXCLUSIVE, f"drop {item.name}, which an interrupted repair left", clause)
    draft.repairs.append(Repair(Phase.LEFTOVERS, table.name, (item.name,), (step,)))
