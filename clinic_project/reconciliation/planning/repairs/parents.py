"""Tables that foreign keys point to and that others make: what keeps a foreign key from pointing there."""

from collections.abc import Iterator

from ...comparison.differences import Differences
from ...schema.model import Relation, Schema, Table, identifier
from ..builder import Draft
from ..dependencies import Is, has_key
from ..plan import Footing, Note, Refusal


def look_at_parents(draft: Draft, differences: Differences) -> None:
    """Know what is lacking of others' tables, to be told if anything waits for it."""
    for parent, columns in sorted(_pointed_to(differences.expected)):
        for root, footing in _lacking(differences.actual, parent, columns):
            draft.undone.lack(root, frozenset({footing}))
            if root not in draft.roots:
                draft.roots.append(root)


def _pointed_to(expected: Schema) -> set[tuple[str, tuple[str, ...]]]:
    keys = [key for table in expected.tables.values() for key in table.constraints]
    return {(k.target[1], k.target_columns) for k in keys if k.target and k.target[1] not in expected.tables}


def _lacking(actual: Schema, parent: str, columns: tuple[str, ...]) -> Iterator[tuple[Refusal | Note, Footing]]:
    table, holder = actual.tables.get(parent), actual.holders.get(parent)
    if table is None:
        root = _missing(parent) if holder is None else not_a_table(parent, holder)
        yield root, Footing(Is.A_TABLE, parent)
        return
    if not table.logged:
        yield unlogged(table), Footing(Is.LOGGED, parent)
    if not has_key(table, columns):
        yield _without_key(table, columns), Footing(Is.A_KEY, parent, columns)


def _missing(parent: str) -> Note:
    text = "expected a table, found none, and none is made here. Create it, then run migrate again."
    return Note("missing-parent", parent, parent, text)


def not_a_table(name: str, holder: Relation) -> Refusal:
    return Refusal(
        "not-a-table",
        name,
        name,
        f"expected a table, found {holder.described} of that name in the schema {holder.schema}.",
        f"Rename or drop it ({identifier(holder.schema, name)}), then run migrate again.",
    )


def unlogged(table: Table) -> Refusal:
    return Refusal(
        "unlogged",
        table.name,
        table.name,
        "expected a table that survives a crash of the server, found an UNLOGGED one, which is emptied by it.",
        f"Run ALTER TABLE {table.sql_name} SET LOGGED; it rewrites the table under a lock that keeps readers out.",
    )


def _without_key(table: Table, columns: tuple[str, ...]) -> Refusal:
    listed = ", ".join(identifier(column) for column in columns)
    return Refusal(
        "parent-without-key",
        table.name,
        table.name,
        f"foreign keys are to point to its {listed}: expected a unique constraint on that, found none.",
        f"Run ALTER TABLE {table.sql_name} ADD UNIQUE ({listed}), or make it the primary key, then run migrate again.",
    )
