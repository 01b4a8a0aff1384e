"""Differences between declared indexes and actual ones, apart from the indexes of constraints."""

from collections.abc import Collection, Iterator

from ..schema.model import Index, Table
from .differences import Difference, Kind, MatchedIndex, MissingIndex, WrongIndex
from .matching import Matches


def index_differences(declared: Table, actual: Table, matches: Matches) -> Iterator[Difference]:
    for index in declared.indexes:
        if index.constraint is not None:
            continue
        matched = matches.indexes.get(index.name)
        if matched is None:
            yield _unmatched(actual, index, matches.claimed_indexes)
        else:
            yield from _matched(actual, index, matched)


def _unmatched(table: Table, declared: Index, claimed: Collection[str]) -> Difference:
    name_owner = table.index(declared.name)
    name, sql = declared.name, declared.sql
    if name_owner is None or name_owner.name in claimed:
        return MissingIndex(table.name, Kind.INDEX_MISSING, name, sql, "nothing", declared, name_owner)
    if name_owner.valid or name_owner.constraint:
        return WrongIndex(table.name, Kind.INDEX_DEFINITION, name, sql, name_owner.sql, declared, name_owner)
    actual_text = "INVALID (an interrupted concurrent build)"
    return WrongIndex(table.name, Kind.INDEX_INVALID, name, sql, actual_text, declared, name_owner)


def _matched(table: Table, declared: Index, actual: Index) -> Iterator[Difference]:
    name = declared.name
    # Only declared parameters are compared: the rest may be somebody's tuning.
    if set(declared.parameters) - set(actual.parameters):
        texts = ", ".join(declared.parameters), ", ".join(actual.parameters) or "the defaults"
        yield MatchedIndex(table.name, Kind.INDEX_PARAMETERS, name, *texts, declared, None, actual)
    if actual.name != name:
        texts = declared.sql, f"named {actual.name}"
        yield MatchedIndex(table.name, Kind.INDEX_NAME, name, *texts, declared, table.index(name), actual)
