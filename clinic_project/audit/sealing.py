"""Seals: what was in the history by then, so that a change of it is found, whoever makes it.

A seal covers the entries from the one after the last sealed to `last_entry`. An entry gets its number before its
transaction is committed, so these have to be settled first: a number up to the horizon was given to a transaction that
began before the horizon's own, and once all of these have ended, no other entry can appear.

1. Take a horizon: the last number given to an entry, then a transaction of its own.
2. Wait until it is settled, for a while; else use the horizon of the last seal, if that is settled now.
3. Hash the entries up to it, and chain the hash to the last seal's.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from .functions import ENTRY
from .models import HistorySeal
from .queries import value
from .recorded import read_columns, recorded_tables, set_same_text

#: Entries that are hashed by one statement.
BATCH = 20_000
_POLL = 0.05

_LAST_NUMBER = """(
    SELECT pg_sequence_last_value(numbers) FROM CAST(%s AS regclass) AS numbers
    WHERE has_sequence_privilege(numbers, 'USAGE, SELECT')
)"""
_TRANSACTION = "pg_current_xact_id()::text::bigint"
_OLDEST_TRANSACTION = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"

#: The number and the hash of each entry, also of those that went with the row that they were about.
_ENTRIES = f"""
    SELECT id, sha256(convert_to({ENTRY}, 'UTF8')) AS entry_hash FROM audit_history
    UNION ALL SELECT id, entry_hash FROM audit_destroyed_entries
"""


@dataclass(frozen=True, slots=True)
class Horizon:
    """The last number given to an entry, and the transaction before which all that have such a number began."""

    entry: int
    transaction: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """`seal` is the newest seal; `waits_for` is how many entries, at most, wait for transactions that still run."""

    seal: HistorySeal | None
    is_new: bool
    waits_for: int


def seal_history(wait: float, using: str = DEFAULT_DB_ALIAS) -> Sealed:
    """Seal what has been committed since the last seal; wait up to `wait` seconds for transactions that still run."""
    horizon = _take_horizon(using)
    is_settled = _wait_until_settled(horizon, wait, using)
    with transaction.atomic(using):
        with connections[using].cursor() as cursor:
            cursor.execute("LOCK TABLE audit_history_seals IN EXCLUSIVE MODE")
        last = newest_seal(using)
        limit = horizon.entry if is_settled else _settled_entry(last, using)
        return _seal(last, limit, horizon, using)


def last_number(using: str) -> int | None:
    """Return the last number given to an entry; None if none was, as on a subscriber, and to a role that may not know."""
    sequence = value(using, "SELECT pg_get_serial_sequence('audit_history', 'id')")
    number: int | None = _where_the_rows_are(using, _LAST_NUMBER, [sequence])
    return number


def newest_seal(using: str = DEFAULT_DB_ALIAS) -> HistorySeal | None:
    return HistorySeal.objects.using(using).order_by("-pk").first()


def _settled_entry(last: HistorySeal | None, using: str) -> int:
    """Return the entry up to which all are settled by the horizon of the last seal."""
    if last is None:
        return 0
    is_settled = _is_settled(Horizon(last.horizon_entry, last.horizon_transaction), using)
    return max(last.last_entry, last.horizon_entry) if is_settled else last.last_entry


def _seal(last: HistorySeal | None, limit: int, horizon: Horizon, using: str) -> Sealed:
    first = last.last_entry if last else 0
    limit = max(limit, first)
    count, entries_hash = hash_entries(first, limit, using)
    waits_for = max(horizon.entry - limit, 0)
    # A seal without entries is worth it where the next one can use its horizon, and as the first one: it tells the rows.
    if last and not count and not (waits_for and last.horizon_entry <= limit):
        return Sealed(last, is_new=False, waits_for=waits_for)
    seal = HistorySeal(
        sealed_at=value(using, "SELECT clock_timestamp()"),
        last_entry=limit,
        entry_count=count,
        entries_hash=entries_hash,
        previous_hash=bytes(last.seal_hash) if last else b"",
        horizon_entry=horizon.entry,
        horizon_transaction=horizon.transaction,
        largest_ids=_largest_ids(using),
    )
    seal.seal_hash = hash_seal(seal)
    seal.save(using=using, force_insert=True)
    return Sealed(seal, is_new=True, waits_for=waits_for)


def hash_seal(seal: HistorySeal) -> bytes:
    """Return the SHA-256 of what `seal` says, the seal before included."""
    said = [
        seal.sealed_at.astimezone(UTC).isoformat(),
        bytes(seal.previous_hash).hex(),
        seal.last_entry,
        seal.entry_count,
        bytes(seal.entries_hash).hex(),
        seal.horizon_entry,
        seal.horizon_transaction,
        seal.largest_ids,
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()


def hash_entries(after: int, until: int, using: str = DEFAULT_DB_ALIAS) -> tuple[int, bytes]:
    """Return the number of the entries from `after`, exclusive, to `until`, and the SHA-256 of their SHA-256s."""
    digest, count = hashlib.sha256(), 0
    for number, hashes in _hashes(after, until, using):
        count += number
        digest.update(hashes)
    return count, digest.digest()


def _hashes(after: int, until: int, using: str) -> Iterator[tuple[int, bytes]]:
    connection = connections[using]
    sql = f"""
        SELECT count(*), string_agg(entry_hash, ''::bytea ORDER BY id), max(id)
        FROM (
            SELECT * FROM ({_ENTRIES}) AS entries WHERE id > %s AND id <= %s ORDER BY id LIMIT {BATCH}
        ) AS batch
    """
    with transaction.atomic(using), connection.cursor() as cursor:
        set_same_text(connection)
        while after < until:
            cursor.execute(sql, [after, until])
            number, hashes, last = cursor.fetchone()
            if not number:
                return
            yield number, bytes(hashes)
            after = last


def _take_horizon(using: str) -> Horizon:
    # One after the other: a number that is given between the two belongs to a transaction before the second.
    last_entry = last_number(using) or 0
    return Horizon(last_entry, _where_the_rows_are(using, _TRANSACTION))


def _wait_until_settled(horizon: Horizon, seconds: float, using: str) -> bool:
    deadline = time.monotonic() + seconds
    while not _is_settled(horizon, using):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL)
    return True


def _is_settled(horizon: Horizon, using: str) -> bool:
    return bool(_where_the_rows_are(using, _OLDEST_TRANSACTION) >= horizon.transaction)


def _where_the_rows_are(using: str, expression: str, parameters: Sequence[Any] = ()) -> Any:
    """Return the value of an SQL expression on the server that has the history.

    That is the one that is connected to, but on Citus a worker, which has sequences and transactions of its own: a query
    that reads a table is sent there. count(*) has one row, whatever there is to read.
    """
    read = "SELECT count(*) FROM (SELECT 1 FROM audit_history_seals LIMIT 1) AS one"
    return value(using, f"SELECT {expression} FROM ({read}) AS there", parameters)


def _largest_ids(using: str) -> dict[str, int]:
    """Return the largest id of each recorded table that has one."""
    connection = connections[using]
    tables = [table for table in recorded_tables() if read_columns(connection, table).has_key]
    name = connection.ops.quote_name
    return {table: value(using, f"SELECT coalesce(max(id), 0) FROM {name(table)}") for table in tables}
