"""Whether the history is what it was: each seal against its entries, and each row against its history."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connections

from .history import Action, Change, histories_of
from .models import HistorySeal
from .queries import column, value
from .recorded import Columns, read_columns, recorded_tables
from .sealing import hash_entries, hash_seal, last_number

#: Rows whose histories are read by one query.
BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What is not as it was. `place` is a seal, or a row by its table and id."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def verify_seals(expected: str | None = None, using: str = DEFAULT_DB_ALIAS) -> Iterator[Finding]:
    """Yield the seals that don't hold, entries that none can cover, and `expected`, the hash of one, if there is none."""
    previous, last_entry, found = b"", 0, expected is None
    for seal in HistorySeal.objects.using(using).order_by("pk").iterator():
        if text := _broken(seal, previous, last_entry, using):
            yield Finding(f"seal {seal.pk} of {_time(seal.sealed_at)}", text)
        previous, last_entry = bytes(seal.seal_hash), seal.last_entry
        found = found or previous.hex() == expected
    if number := _never_numbered(using):
        yield Finding(
            "the history", f"entries with numbers that PostgreSQL never gave: {number}, which were put in by hand"
        )
    if not found:
        yield Finding("the seals", f"none has the hash {expected}: expected the one that was kept elsewhere")


def _broken(seal: HistorySeal, previous: bytes, last_entry: int, using: str) -> str:
    """Say what is wrong with a seal, and nothing where it holds."""
    if bytes(seal.previous_hash) != previous:
        return "it doesn't continue the seal before: one was removed, put in or changed"
    if bytes(seal.seal_hash) != hash_seal(seal):
        return "it was changed itself"
    count, entries_hash = hash_entries(last_entry, seal.last_entry, using)
    entries = f"the entries {last_entry + 1} to {seal.last_entry}"
    if count != seal.entry_count:
        return f"{entries} were {seal.entry_count} when they were sealed, and are {count} now"
    if entries_hash != bytes(seal.entries_hash):
        return f"{entries} aren't what was sealed"
    return ""


def _never_numbered(using: str) -> int:
    """Return how many entries have a number that the sequence never gave: no seal covers them, or not yet."""
    sql = """
        SELECT count(*) FROM (SELECT id FROM audit_history UNION ALL SELECT id FROM audit_destroyed_entries) AS entries
        WHERE id < 1 OR id > %s
    """
    return int(value(using, sql, [last_number(using)]))


_UNLIKE_THEIR_ENTRIES = """
    SELECT coalesce(log.id, found.destruction_id) FROM audit_destructions AS log FULL JOIN (
        SELECT destruction_id, count(*) AS entry_count, sha256(string_agg(entry_hash, ''::bytea ORDER BY id)) AS entries_hash
        FROM audit_destroyed_entries GROUP BY destruction_id
    ) AS found ON found.destruction_id = log.id
    WHERE log.entry_count IS DISTINCT FROM coalesce(found.entry_count, 0)
    OR log.entries_hash IS DISTINCT FROM coalesce(found.entries_hash, sha256(''))
    ORDER BY 1
"""


def verify_destructions(using: str = DEFAULT_DB_ALIAS) -> Iterator[Finding]:
    """Yield the destructions whose history isn't the one that went with the row: of others, entries were removed."""
    for destruction in column(using, _UNLIKE_THEIR_ENTRIES):
        yield Finding(
            f"destruction {destruction}", "the entries that are said to have gone with it aren't those of the log"
        )


def verify_rows(using: str = DEFAULT_DB_ALIAS) -> Iterator[Finding]:
    """Yield the rows of recorded tables that differ from their history."""
    first = HistorySeal.objects.using(using).order_by("pk").first()
    for table in recorded_tables():
        columns = read_columns(connections[using], table)
        if columns.has_key:
            yield from _differing(table, columns, using)
            if first and table in first.largest_ids:
                yield from _added(table, first.largest_ids[table], using)
        else:
            yield Finding(table, "it isn't there, or has no id of integers: run manage.py migrate, then this again")


def _differing(table: str, columns: Columns, using: str) -> Iterator[Finding]:
    for row_ids in _batches(table, using):
        for change in histories_of(table, row_ids, columns, using, with_values=False):
            if change.unrecorded_until:
                yield Finding(f"{table} {change.row_id}", _unrecorded(change, change.unrecorded_until))


def _unrecorded(change: Change, until: datetime) -> str:
    between = f"between {_time(change.at)} and {_time(until)}, and no trigger recorded it"
    if change.after is None:
        return f"it was removed {between}"
    if change.action is Action.DELETE:
        return f"it was put in again {between}"
    return f"it was changed {between}"


def _batches(table: str, using: str) -> Iterator[Sequence[int]]:
    """Yield the ids of the rows of `table` that have a history."""
    sql = "SELECT DISTINCT row_id FROM audit_history WHERE table_name = %s AND row_id > %s ORDER BY row_id LIMIT %s"
    last = -(2**63)
    while row_ids := column(using, sql, [table, last, BATCH]):
        yield row_ids
        last = row_ids[-1]


def _added(table: str, largest: int, using: str) -> Iterator[Finding]:
    """Yield the rows without a history that weren't there at the first seal, when `largest` was the largest id."""
    name = connections[using].ops.quote_name(table)
    sql = f"""
        SELECT r.id FROM {name} r WHERE r.id > %s
        AND NOT EXISTS (SELECT 1 FROM audit_history WHERE table_name = %s AND row_id = r.id) ORDER BY r.id
    """
    for row_id in column(using, sql, [largest, table]):
        yield Finding(f"{table} {row_id}", "it was put in after the first seal, and no trigger recorded it")


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
