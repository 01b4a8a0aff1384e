"""Stage 2: two schemas → differences. Pure: nothing here queries a database.

In: the declared `Schema` and the actual one. Out: `differences.Differences`: how the actual schema differs from the declared
one, and what it has that no model declares. Objects are matched by signature first, then by name, so that a right index
under a wrong name is only renamed.
"""

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

from ..schema.model import Relation, Schema, Table
from .columns import column_differences
from .constraints import check_differences, foreign_key_differences, key_differences
from .differences import (
    Difference,
    Differences,
    Kind,
    MissingTable,
    NoReplicaIdentity,
    NotATable,
    RejectedTable,
    TableComment,
    Undeclared,
    UnloggedTable,
)
from .indexes import index_differences
from .matching import Matches
from .triggers import function_differences, trigger_differences
from .undeclared import Unclaimed, leftovers, undeclared_objects


def compare(
    declared: Schema, actual: Schema, migrated_columns: Mapping[str, Collection[str]] = MappingProxyType({})
) -> Differences:
    """Return how the schemas differ. `migrated_columns` are those that migrations ever declared, by table."""
    items: list[Difference] = []
    undeclared: list[Undeclared] = []
    for name, table in declared.tables.items():
        actual_table = actual.tables.get(name)
        if actual_table is None:
            items.append(_missing_table(table, actual.name_owners.get(name)))
            continue
        matches = Matches.of(table, actual_table)
        of_table = list(_table_differences(table, actual_table, matches, migrated_columns.get(name, ())))
        unclaimed = Unclaimed.of(table, actual_table, matches, of_table)
        items += [*of_table, *leftovers(unclaimed)]
        undeclared += undeclared_objects(unclaimed)
    items += (_rejected(name, error, exists=name in actual.tables) for name, error in declared.rejected.items())
    items += function_differences(declared, actual)
    return Differences(declared, actual, tuple(items), tuple(undeclared))


def _rejected(name: str, error: str, *, exists: bool) -> Difference:
    text = f"{'a table, and' if exists else 'nothing, and'} PostgreSQL refuses to create it as declared: {error}"
    return RejectedTable(name, Kind.TABLE_REJECTED, name, "a table", text, exists)


def _missing_table(declared: Table, name_owner: Relation | None) -> Difference:
    name = declared.name
    if name_owner is None:
        return MissingTable(name, Kind.TABLE_MISSING, name, "a table", "nothing", declared)
    return NotATable(name, Kind.TABLE_NOT_A_TABLE, name, "a table", name_owner.kind.label, name_owner)


def _table_differences(
    declared: Table, actual: Table, matches: Matches, migrated: Collection[str]
) -> Iterator[Difference]:
    if declared.logged and not actual.logged:
        yield UnloggedTable(declared.name, Kind.TABLE_UNLOGGED, declared.name, "LOGGED", "UNLOGGED")
    if declared.comment and declared.comment != actual.comment:
        texts = declared.comment, actual.comment or "no comment"
        yield TableComment(declared.name, Kind.TABLE_COMMENT, declared.name, *texts)
    if actual.needs_replica_identity:
        texts = "a replica identity", "none, in a table that is published"
        yield NoReplicaIdentity(declared.name, Kind.TABLE_REPLICA_IDENTITY, declared.name, *texts)
    yield from column_differences(declared, actual, migrated)
    for differences in (index_differences, key_differences, foreign_key_differences, check_differences):
        yield from differences(declared, actual, matches)
    yield from trigger_differences(declared, actual)
