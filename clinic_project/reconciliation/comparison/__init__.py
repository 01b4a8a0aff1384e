"""Two Schemas → Differences: what the declared one asks for and the real one isn't, and what that has beside it.

By meaning first, then by name: a right index under a wrong name only wants a name. Nothing here talks to a database.
"""

from collections.abc import Iterator

from ..schema.model import Relation, Schema, Table
from .columns import column_differences
from .constraints import check_differences, foreign_key_differences, key_differences
from .differences import Difference, Differences, Extra, Kind
from .indexes import index_differences
from .matching import Matches
from .undeclared import Unclaimed, leftovers, undeclared


def compare(expected: Schema, actual: Schema) -> Differences:
    items: list[Difference] = []
    extras: list[Extra] = []
    for name, wanted in expected.tables.items():
        found = actual.tables.get(name)
        if found is None:
            items.append(_absent_table(wanted, actual.holders.get(name)))
            continue
        matches = Matches.of(wanted, found)
        of_table = list(_table_differences(wanted, found, matches))
        unclaimed = Unclaimed.of(wanted, found, matches, of_table)
        items += [*of_table, *leftovers(unclaimed)]
        extras += undeclared(unclaimed)
    return Differences(expected, actual, tuple(items), tuple(extras))


def _absent_table(wanted: Table, holder: Relation | None) -> Difference:
    if holder is None:
        return Difference(wanted.name, Kind.TABLE_MISSING, wanted.name, "a table", "nothing", wanted)
    return Difference(wanted.name, Kind.TABLE_NOT_A_TABLE, wanted.name, "a table", holder.described, wanted)


def _table_differences(wanted: Table, found: Table, matches: Matches) -> Iterator[Difference]:
    if wanted.logged and not found.logged:
        yield Difference(wanted.name, Kind.TABLE_UNLOGGED, wanted.name, "LOGGED", "UNLOGGED")
    for column in wanted.columns.values():
        yield from column_differences(wanted, found, column)
    for compared in (index_differences, key_differences, foreign_key_differences, check_differences):
        yield from compared(wanted, found, matches)
