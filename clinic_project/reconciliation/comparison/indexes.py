"""Indexes that no constraint stands on: declared ones, and real ones that mean the same."""

from collections.abc import Collection, Iterator

from ..schema.model import Index, Table
from .differences import Difference, Kind
from .matching import Matches


def index_differences(wanted: Table, found: Table, matches: Matches) -> Iterator[Difference]:
    for index in wanted.indexes:
        if index.constraint is None:
            yield from _one_index(found, index, matches.indexes.get(index.name), matches.claimed_indexes)


def _one_index(table: Table, wanted: Index, match: Index | None, claimed: Collection[str]) -> Iterator[Difference]:
    holder = table.index(wanted.name)
    if match is None:
        if holder is None or holder.name in claimed:
            kind, actual = Kind.INDEX_MISSING, "nothing"
        elif holder.valid or holder.constraint:
            kind, actual = Kind.INDEX_DEFINITION, holder.text
        else:
            kind, actual = Kind.INDEX_INVALID, "INVALID (an interrupted concurrent build)"
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted=wanted, holder=holder)
        return
    # Only declared ones: others are somebody's tuning.
    if set(wanted.parameters) - set(match.parameters):
        expected, actual = ", ".join(wanted.parameters), ", ".join(match.parameters) or "the defaults"
        yield Difference(table.name, Kind.INDEX_PARAMETERS, wanted.name, expected, actual, wanted, match)
    if match.name != wanted.name:
        actual = f"named {match.name}"
        yield Difference(table.name, Kind.INDEX_NAME, wanted.name, wanted.text, actual, wanted, match, holder)
