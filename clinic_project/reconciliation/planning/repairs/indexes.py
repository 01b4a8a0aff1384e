"""Indexes: built concurrently, swapped by name, dropped concurrently. Nobody who writes is kept waiting."""

from collections.abc import Sequence
from functools import partial

from ...comparison.differences import Leftover, MatchedIndex, MissingIndex, WrongIndex
from ...schema.model import HelperRole, Index, Table, helper_name, identifier
from ..plan import Lock, Phase, Plan, Repair, Step, ViolationQuery, plan_of
from . import violations
from .renames import rename_index, renames
from .replica_identity import handed_over
from .steps import alter_table, alterations, build_index, drop_index


def _repair(phase: Phase, table: Table, names: Sequence[str], *steps: Step) -> Plan:
    return plan_of(Repair(phase, table.name, tuple(names), steps))


def _duplicates(table: Table, index: Index) -> ViolationQuery | None:
    return violations.duplicates(table, index.name, index) if index.unique else None


def create_index(table: Table, item: MissingIndex) -> Plan:
    return _repair(Phase.INDEXES, table, [item.name], _build(table, item.declared))


def _build(table: Table, index: Index) -> Step:
    return build_index(table, index, index.name, f"build {index.name}", _duplicates(table, index))


def rebuild_index(table: Table, item: WrongIndex) -> Plan:
    """Replace an index that an interrupted build left INVALID."""
    reason = f"drop {item.conflicting.name}, which an interrupted build left INVALID"
    identify = "make it the table's replica identity again"
    steps = (
        drop_index(table, item.conflicting.name, reason),
        _build(table, item.declared),
        *(alter_table(table, identify, clause) for clause in handed_over([item])),
    )
    return _repair(Phase.INDEXES, table, [item.name], *steps)


def replace_index(table: Table, item: WrongIndex) -> Plan:
    """Build the right index beside the wrong one of its name, swap their names, drop the wrong one."""
    index, helper = item.declared, helper_name(HelperRole.NEW, table.name, item.name)
    reason = f"build {index.name} beside the wrong index of that name"
    steps = (
        build_index(table, index, helper, reason, _duplicates(table, index)),
        *_take_names(table, [(helper, index.name)], [item.conflicting.name], handed_over([item])),
    )
    return _repair(Phase.INDEXES, table, [item.name], *steps)


def rename_indexes(table: Table, items: Sequence[MatchedIndex]) -> Plan:
    """Give right indexes their declared names, all of a table's at once."""
    pairs = [(item.actual.name, item.name) for item in items]
    conflicting = [item.conflicting.name for item in items if item.conflicting is not None]
    befores = {before for before, _ in pairs}
    successors = [item for item in items if item.conflicting is not None and item.conflicting.name not in befores]
    steps = _take_names(table, pairs, conflicting, handed_over(successors))
    return _repair(Phase.INDEXES, table, [item.name for item in items], *steps)


def _take_names(
    table: Table, pairs: Sequence[tuple[str, str]], conflicting: Sequence[str], clauses: Sequence[str]
) -> list[Step]:
    """Rename, with what else belongs into the transaction, and drop the wrong indexes that had the names."""
    befores = {before for before, _ in pairs}
    swap = Step(
        (*renames(table, pairs, conflicting, partial(rename_index, table.schema)), *alterations(table, clauses)),
        table.name,
        Lock.ACCESS_EXCLUSIVE if clauses else Lock.SHARE_UPDATE_EXCLUSIVE,
        f"rename {', '.join(f'{before} to {after}' for before, after in pairs)}",
        relations=(table.sql_name,),
    )
    return [swap, *(_drop_replaced(table, name) for name in conflicting if name not in befores)]


def _drop_replaced(table: Table, name: str) -> Step:
    return drop_index(table, helper_name(HelperRole.OLD, table.name, name), f"drop the wrong index that was {name}")


def set_parameters(table: Table, item: MatchedIndex) -> Plan:
    """Set the declared storage parameters. What is stored already stays as it is."""
    # By the name that it has now: an index is renamed afterwards.
    index = identifier(table.schema, item.actual.name)
    step = Step(
        (f"ALTER INDEX {index} SET ({', '.join(item.declared.parameters)})",),
        table.name,
        Lock.SHARE_UPDATE_EXCLUSIVE,
        f"set {item.declared_text} of {item.name}",
        relations=(table.sql_name,),
    )
    return _repair(Phase.COLUMNS, table, [item.name], step)


def drop_leftover(table: Table, item: Leftover) -> Plan:
    step = drop_index(table, item.name, f"drop {item.name}, which an interrupted build or swap left")
    return _repair(Phase.LEFTOVERS, table, [item.name], step)
