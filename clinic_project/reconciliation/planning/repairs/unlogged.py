"""UNLOGGED tables: in which order they can be made LOGGED, and how, where they reference each other.

A table can't be LOGGED while it references an UNLOGGED one: https://www.postgresql.org/docs/current/sql-altertable.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ...schema.model import Constraint, ConstraintKind, Table, identifier
from .. import refusals
from ..plan import Refusal, RefusalCode
from .steps import alterations, atomically, drop_constraint

#: Names of tables, and of those among them that each references.
_References = Mapping[str, set[str]]


def refuse_unlogged(table: Table) -> Refusal:
    """Refuse an UNLOGGED table. Where columns elsewhere hold its rows, these are converted meanwhile, if they can be."""
    used = [dependent for dependent in table.dependents if dependent.holds_rows]
    if not used or not all(dependent.restorable for dependent in used):
        return refusals.unlogged(table)
    drops = [statement for dependent in used for statement in dependent.drop]
    creates = [statement for dependent in used for statement in dependent.create]
    return refusals.unlogged(table, atomically([*drops, *alterations(table, ["SET LOGGED"]), *creates]))


def in_order(refused: Sequence[Refusal], tables: Mapping[str, Table]) -> list[Refusal]:
    """Return the refusals with those of UNLOGGED tables in the order in which their statements have to run."""
    unlogged = {r.table: r for r in refused if r.code is RefusalCode.UNLOGGED}
    ordered = iter([each for group in _groups(tables, unlogged) for each in _of_group(group, tables, unlogged)])
    return [next(ordered) if refusal.code is RefusalCode.UNLOGGED else refusal for refusal in refused]


def _groups(tables: Mapping[str, Table], unlogged: Iterable[str]) -> Iterator[list[str]]:
    """Yield the tables, each after those that it references; those that reference each other as one group."""
    names = set(unlogged)
    references = {name: _targets(tables[name]) & names - {name} for name in names}
    done: set[str] = set()
    while names - done:
        groups = (_cycle(name, references) for name in sorted(names - done))
        group = next(group for group in groups if all(references[name] <= done | group for name in group))
        yield sorted(group)
        done |= group


def _targets(table: Table) -> set[str]:
    return {key.target[1] for key in table.constraints if key.target is not None}


def _cycle(name: str, references: _References) -> set[str]:
    """Return the tables that the table references, at however many removes, and that so reference it; and itself."""
    reachable = _reachable(name, references)
    return {name} | {other for other in reachable if name in _reachable(other, references)}


def _reachable(name: str, references: _References) -> set[str]:
    found, new = set[str](), set(references[name])
    while new:
        found |= new
        new = set().union(*(references[other] for other in new)) - found
    return found


def _of_group(group: Sequence[str], tables: Mapping[str, Table], unlogged: Mapping[str, Refusal]) -> Iterator[Refusal]:
    """Yield the refusals of a group. The first one's statement is for all of it: the others find nothing left to do."""
    first, *others = group
    if others:
        refusal = refusals.unlogged(tables[first], _together([tables[name] for name in group]))
        yield replace(refusal, blocked=unlogged[first].blocked)
    else:
        yield unlogged[first]
    yield from (unlogged[name] for name in others)


def _together(group: Sequence[Table]) -> str:
    """Make tables LOGGED that reference each other: without their foreign keys, which are added again."""
    names = {table.name for table in group}
    keys = [(table, key) for table in group for key in _keys_to(table, names - {table.name})]
    return atomically(
        [
            *(statement for table, key in keys for statement in alterations(table, [drop_constraint(key.name)])),
            *(statement for table in group for statement in alterations(table, ["SET LOGGED"])),
            *(statement for table, key in keys for statement in alterations(table, [_addition(key)])),
        ]
    )


def _keys_to(table: Table, names: set[str]) -> list[Constraint]:
    keys = table.constraints_of([ConstraintKind.FOREIGN_KEY])
    return [key for key in keys if key.target is not None and key.target[1] in names]


def _addition(key: Constraint) -> str:
    attribute = "" if key.validated else " NOT VALID"
    if not key.enforced and not key.triggers_disabled:
        attribute = " NOT ENFORCED"
    return f"ADD CONSTRAINT {identifier(key.name)} {key.sql}{attribute}"
