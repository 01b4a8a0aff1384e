"""Indexes: built concurrently, renamed, dropped concurrently. Writers don't wait while rows are read."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ...comparison.differences import Leftover, MatchedIndex, MissingIndex, WrongIndex
from ...schema.model import HelperRole, Index, Table, helper_name, identifier, literal
from ..plan import Lock, Note, NoteCode, Phase, Plan, Repair, Step, ViolationQuery, plan_of
from . import violations
from .renames import rename_index, rename_statements
from .replica_identity import replica_identity_clauses
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
    steps = (
        drop_index(table, item.conflicting.name, reason),
        _build(table, item.declared),
        *(
            alter_table(table, f"make {item.name} the replica identity", clause)
            for clause in replica_identity_clauses([item])
        ),
        *_kept_step(table, item),
    )
    return _repair(Phase.INDEXES, table, [item.name], *steps)


def replace_index(table: Table, item: WrongIndex) -> Plan:
    """Build the right index beside the wrong one of its name, rename both, drop the wrong one."""
    index, helper = item.declared, helper_name(HelperRole.NEW, table.name, item.name)
    reason = f"build {index.name} beside the wrong index of that name"
    steps = (
        build_index(table, index, helper, reason, _duplicates(table, index)),
        *_take_names(
            table, [(helper, index.name)], [item.conflicting.name], replica_identity_clauses([item]), _kept(table, item)
        ),
    )
    return replace(_repair(Phase.INDEXES, table, [item.name], *steps), notes=tuple(_lost_mark(table, item)))


def _lost_mark(table: Table, item: WrongIndex) -> list[Note]:
    if not item.conflicting.clustered or _can_order_table(item.declared):
        return []
    text = "CLUSTER ordered the table by the index of this name that is replaced, and can't by the declared one."
    return [Note(NoteCode.CLUSTER_MARK_LOST, table.name, item.name, text)]


def _kept_step(table: Table, item: WrongIndex) -> list[Step]:
    statements = tuple(_kept(table, item))
    if not statements:
        return []
    reason = f"keep the comment and the CLUSTER mark of {item.name}"
    return [Step(statements, table.name, Lock.SHARE_UPDATE_EXCLUSIVE, reason, relations=(table.sql_name,))]


def _kept(table: Table, item: WrongIndex | MatchedIndex) -> list[str]:
    return [] if item.conflicting is None else comment_and_cluster_mark(table, item.declared, item.conflicting)


def comment_and_cluster_mark(table: Table, index: Index, replaced: Index) -> list[str]:
    """Return the statements that give an index the comment and the CLUSTER mark of the one that it replaces."""
    statements = []
    if replaced.comment is not None:
        name = identifier(table.schema, index.name)
        statements.append(f"COMMENT ON INDEX {name} IS {literal(replaced.comment)}")
    if replaced.clustered and _can_order_table(index):
        statements.append(f"ALTER TABLE {table.sql_name} CLUSTER ON {identifier(index.name)}")
    return statements


def _can_order_table(index: Index) -> bool:
    """Whether CLUSTER accepts it: https://www.postgresql.org/docs/current/sql-cluster.html"""
    return index.predicate is None and index.access_method in ("btree", "gist")


def rename_indexes(table: Table, items: Sequence[MatchedIndex]) -> Plan:
    """Rename right indexes to their declared names, all of a table at once."""
    pairs = [(item.actual.name, item.name) for item in items]
    conflicting = [item.conflicting.name for item in items if item.conflicting is not None]
    renamed = {before for before, _ in pairs}
    replacing = [item for item in items if item.conflicting is not None and item.conflicting.name not in renamed]
    kept = [statement for item in replacing for statement in _kept(table, item)]
    steps = _take_names(table, pairs, conflicting, replica_identity_clauses(replacing), kept)
    return _repair(Phase.INDEXES, table, [item.name for item in items], *steps)


def _take_names(
    table: Table,
    pairs: Sequence[tuple[str, str]],
    conflicting: Sequence[str],
    clauses: Sequence[str],
    kept: Sequence[str] = (),
) -> list[Step]:
    """Rename, with these clauses of ALTER TABLE and what is `kept` in the same transaction, and drop the wrong indexes."""
    renamed = {before for before, _ in pairs}
    statements = rename_statements(table, pairs, conflicting, partial(rename_index, table.schema))
    rename = Step(
        (*statements, *alterations(table, clauses), *kept),
        table.name,
        Lock.ACCESS_EXCLUSIVE if clauses else Lock.SHARE_UPDATE_EXCLUSIVE,
        f"rename {', '.join(f'{before} to {after}' for before, after in pairs)}",
        relations=(table.sql_name,),
    )
    return [rename, *(_drop_replaced(table, name) for name in conflicting if name not in renamed)]


def _drop_replaced(table: Table, name: str) -> Step:
    helper = helper_name(HelperRole.OLD, table.name, name)
    return drop_index(table, helper, f"drop the wrong index that {name} replaced")


def set_parameters(table: Table, item: MatchedIndex) -> Plan:
    """Set the declared storage parameters. They don't change what is stored already."""
    # Under its present name: it is renamed in a later phase.
    index = identifier(table.schema, item.actual.name)
    step = Step(
        (f"ALTER INDEX {index} SET ({', '.join(item.declared.parameters)})",),
        table.name,
        Lock.SHARE_UPDATE_EXCLUSIVE,
        f"set {item.declared_text} on {item.name}",
        relations=(table.sql_name,),
    )
    return _repair(Phase.COLUMNS, table, [item.name], step)


def drop_leftover(table: Table, item: Leftover) -> Plan:
    step = drop_index(table, item.name, f"drop {item.name}, which an interrupted repair or REINDEX left")
    return _repair(Phase.LEFTOVERS, table, [item.name], step)
