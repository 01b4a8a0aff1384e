"""Indexes: built concurrently, swapped by name, dropped concurrently. Nobody who writes is kept waiting."""

from collections.abc import Sequence

from ...comparison.differences import Difference
from ...schema.model import Index, Table, helper_name, identifier
from ..builder import Draft
from ..plan import Guard, Lock, Phase, Repair, Step
from . import violations as guards
from .renames import renames
from .replica_identity import handed_over


def build(table: Table, index: Index, name: str, reason: str, guard: Guard | None) -> Step:
    unique = "UNIQUE " if index.unique else ""
    sql = f"CREATE {unique}INDEX CONCURRENTLY {identifier(name)} ON {table.sql_name} {index.definition}"
    return Step(
        (sql,),
        table.name,
        Lock.SHARE_UPDATE_EXCLUSIVE,
        reason,
        relations=(table.sql_name,),
        transactional=False,
        builds=identifier(table.schema, name),
        scans=True,
        guard=guard,
    )


def drop(table: Table, name: str, reason: str) -> Step:
    sql = f"DROP INDEX CONCURRENTLY IF EXISTS {identifier(table.schema, name)}"
    return Step(
        (sql,),
        table.name,
        Lock.SHARE_UPDATE_EXCLUSIVE,
        reason,
        relations=(table.sql_name,),
        transactional=False,
    )


def rename_statement(table: Table, before: str, after: str) -> str:
    return f"ALTER INDEX {identifier(table.schema, before)} RENAME TO {identifier(after)}"


def _unique_guard(table: Table, index: Index) -> Guard | None:
    return guards.duplicates(table, index.name, index) if index.unique else None


def create_index(draft: Draft, table: Table, item: Difference) -> None:
    index = item.wanted
    step = build(table, index, index.name, f"build {index.name}", _unique_guard(table, index))
    draft.repairs.append(Repair(Phase.INDEXES, table.name, (index.name,), (step,)))


def rebuild_index(draft: Draft, table: Table, item: Difference) -> None:
    """Replace an index that an interrupted build left INVALID."""
    index, holder = item.wanted, item.holder
    steps = (
        drop(table, holder.name, f"drop {holder.name}, which an interrupted build left INVALID"),
        build(table, index, index.name, f"build {index.name}", _unique_guard(table, index)),
        *(_identify(table, clause) for clause in handed_over(table, [item])),
    )
    draft.repairs.append(Repair(Phase.INDEXES, table.name, (index.name,), steps))


def replace_index(draft: Draft, table: Table, item: Difference) -> None:
    """Build the right index beside the wrong one of its name, swap their names, drop the wrong one."""
    index, holder = item.wanted, item.holder
    helper = helper_name("new", table.name, index.name)
    steps = [
        build(table, index, helper, f"build what {index.name} should be", _unique_guard(table, index)),
        *_take_names(table, [(helper, index.name)], [holder.name], handed_over(table, [item])),
    ]
    draft.repairs.append(Repair(Phase.INDEXES, table.name, (index.name,), tuple(steps)))


def rename_indexes(draft: Draft, table: Table, items: Sequence[Difference]) -> None:
    """Give right indexes their declared names, all of a table's at once."""
    pairs = [(item.found.name, item.name) for item in items]
    holders = [item.holder.name for item in items if item.holder is not None]
    befores = {before for before, _ in pairs}
    heirs = [item for item in items if item.holder is not None and item.holder.name not in befores]
    steps = tuple(_take_names(table, pairs, holders, handed_over(table, heirs)))
    draft.repairs.append(Repair(Phase.INDEXES, table.name, tuple(item.name for item in items), steps))


def _take_names(
    table: Table, pairs: Sequence[tuple[str, str]], holders: Sequence[str], clauses: Sequence[str] = ()
) -> list[Step]:
    """Rename, with what else belongs into the transaction, and drop what had to step aside."""

    def rename(before: str, after: str) -> str:
        return rename_statement(table, before, after)

    names = ", ".join(f"{before} to {after}" for before, after in pairs)
    alter = tuple(f"ALTER TABLE {table.sql_name} {clause}" for clause in clauses)
    statements = (*renames(table, pairs, holders, rename), *alter)
    lock = Lock.ACCESS_EXCLUSIVE if alter else Lock.SHARE_UPDATE_EXCLUSIVE
    relations = (table.sql_name,)
    steps = [Step(statements, table.name, lock, f"rename {names}", relations=relations)]
    befores = {before for before, _ in pairs}
    aside = [holder for holder in holders if holder not in befores]
    return steps + [drop(table, helper_name("old", table.name, holder), f"drop what {holder} was") for holder in aside]


def _identify(table: Table, clause: str) -> Step:
    sql, reason = f"ALTER TABLE {table.sql_name} {clause}", "make it the table's replica identity again"
    return Step((sql,), table.name, Lock.ACCESS_EXCLUSIVE, reason, relations=(table.sql_name,))


def set_parameters(draft: Draft, table: Table, item: Difference) -> None:
    """Set the declared storage parameters. What is stored already stays as it is."""
    sql = f"ALTER INDEX {identifier(table.schema, item.found.name)} SET ({', '.join(item.wanted.parameters)})"
    reason = f"set {item.expected} of {item.name}"
    step = Step((sql,), table.name, Lock.SHARE_UPDATE_EXCLUSIVE, reason, relations=(table.sql_name,))
    # By the name that it has now: an index is renamed afterwards.
    draft.repairs.append(Repair(Phase.COLUMNS, table.name, (item.name,), (step,)))


def drop_leftover(draft: Draft, table: Table, item: Difference) -> None:
    step = drop(table, item.name, f"drop {item.name}, which an interrupted build or swap left")
    draft.repairs.append(Repair(Phase.LEFTOVERS, table.name, (item.name,), (step,)))
