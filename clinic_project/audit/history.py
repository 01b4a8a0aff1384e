"""What a row was at any time: its entries, the newest first, each with the row as it left it.

The row as it is now, and the columns that each entry kept, give the row before each entry. `row_hash` proves it: where
the row isn't as an entry left it, something changed it while no trigger stood.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import Case, Model, OuterRef, Subquery, TextField, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from .models import HistoryEntry
from .recorded import Columns, read_columns, set_same_text

Row = dict[str, Any]
Action = HistoryEntry.Action


@dataclass(frozen=True)
class Change:
    """An entry of a row's history. `sequence` is its position, 1 for the oldest.

    `is_proven`: `after` is what the entry left; else it is what can be told, and some of it may have been so only later.
    `unrecorded_until` is where the row was changed once more, and no trigger stood: the time of the next entry, or of this
    reading. `kept` and `left` are JSON: what the entry kept, the whole row before it or some columns; and `after`. They are
    read when they are asked for: a row may have thousands of entries, of which a page shows a few.
    """

    row_id: int
    sequence: int
    entry: int
    transaction_id: int
    action: Action
    at: datetime
    kept: str | None
    left: str | None
    is_whole: bool
    context: Row
    database_user: str
    database_role: str | None
    application_name: str | None
    client_address: str | None
    is_proven: bool
    unrecorded_until: datetime | None

    @cached_property
    def after(self) -> Row | None:
        """The row's columns after it; None where it didn't exist. A number that a float might round is a Decimal."""
        return parsed_jsonb(self.left) if self.left else None

    @cached_property
    def before(self) -> Row | None:
        """The row's columns before it, as `after` has them."""
        if self.action == Action.INSERT:
            return None
        kept = parsed_jsonb(self.kept) if self.kept else {}
        return kept if self.is_whole else {**(self.after or {}), **kept}

    @cached_property
    def changed(self) -> frozenset[str]:
        """The names of the columns that differ."""
        return _changed(self.before, self.after)


def replaced_by_last_change(table: str, column: str) -> Subquery:
    """Return the expression, for rows of `table`, of what `column` was before the last recorded change of a row, as text.

    It is what it is now where that change left it; NULL where none is recorded since the row was inserted.
    """
    was = Coalesce(KT(f"kept__{column}"), Cast(OuterRef(column), TextField()))
    entries = HistoryEntry.objects.filter(table_name=table, row_id=OuterRef("pk")).order_by("-id")
    return Subquery(entries.values_list(Case(When(action=Action.UPDATE, then=was), output_field=TextField()))[:1])


_STATES = """
    WITH RECURSIVE states AS (
        (SELECT newest.*, (to_jsonb(r) - %(helpers)s::text[]) || %(computed)s::jsonb AS after
         FROM unnest(ARRAY(SELECT DISTINCT unnest(%(rows)s::bigint[]))) AS wanted (id) CROSS JOIN LATERAL (
             SELECT * FROM audit_history h WHERE h.table_name = %(table)s AND h.row_id = wanted.id
             ORDER BY h.id DESC LIMIT 1
         ) AS newest LEFT JOIN {table} r ON r.id = newest.row_id)
        UNION ALL
        SELECT older.*, CASE
            WHEN s.action = 'insert' THEN NULL WHEN s.is_whole THEN s.kept ELSE s.after || coalesce(s.kept, '{{}}') END
        FROM states s CROSS JOIN LATERAL (
            SELECT * FROM audit_history h WHERE h.table_name = %(table)s AND h.row_id = s.row_id AND h.id < s.id
            ORDER BY h.id DESC LIMIT 1
        ) AS older
    )
    SELECT row_id, row_number() OVER (PARTITION BY row_id ORDER BY id), id, transaction_id, action, recorded_at,
           CASE WHEN %(with_values)s THEN kept::text END,
           CASE WHEN %(with_values)s OR after IS NULL THEN after::text ELSE '{{}}' END,
           is_whole, context, database_user, database_role, application_name, host(client_address), clock_timestamp(),
           row_hash IS NOT DISTINCT FROM sha256(convert_to(after::text, 'UTF8')) OR EXISTS (
               SELECT 1 FROM jsonb_array_elements(%(added_later)s::jsonb) AS added
               WHERE row_hash = sha256(convert_to((
                   after - ARRAY(SELECT jsonb_array_elements_text(added)))::text, 'UTF8'))
           )
    FROM states ORDER BY row_id, id DESC
"""


def database_of(row: Model) -> str:
    """Return the alias of the database that a row was read from, in which its history is."""
    return row._state.db or DEFAULT_DB_ALIAS


def histories_of(
    table: str,
    row_ids: Sequence[int],
    columns: Columns | None = None,
    using: str = DEFAULT_DB_ALIAS,
    *,
    with_values: bool = True,
) -> Iterator[Change]:
    """Yield the changes of rows of a recorded table, by row and, for each, the newest first.

    Without values, rows are empty: it is only told whether they were there, and what is proven.
    """
    connection = connections[using]
    columns = columns or read_columns(connection, table)
    parameters: dict[str, Any] = {
        "table": table,
        "rows": list(row_ids),
        "helpers": columns.helpers,
        "computed": json.dumps(dict.fromkeys(columns.computed)),
        "added_later": json.dumps(columns.added_later),
        "with_values": with_values,
    }
    with transaction.atomic(using), connection.cursor() as cursor:
        set_same_text(connection)
        cursor.execute(_STATES.format(table=connection.ops.quote_name(table)), parameters)
        found = [_Entry(*row) for row in cursor.fetchall()]
    for _, entries in groupby(found, attrgetter("row_id")):
        yield from _changes(entries)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row of the query above."""

    row_id: int
    sequence: int
    id: int
    transaction_id: int
    action: str
    at: datetime
    kept: str | None
    after: str | None
    is_whole: bool
    context: str | None
    database_user: str
    database_role: str | None
    application_name: str | None
    client_address: str | None
    read_at: datetime
    is_intact: bool


def _changes(entries: Iterable[_Entry]) -> Iterator[Change]:
    """Yield what the entries of one row, the newest first, tell.

    Past an unrecorded change, what other columns were isn't known until an entry has kept the whole row.
    """
    is_known, newer = True, None
    for entry in entries:
        next_at = newer.at if newer else entry.read_at
        is_unrecorded = is_known and not entry.is_intact
        yield _change(entry, next_at if is_unrecorded else None)
        is_known = entry.is_intact or entry.is_whole or entry.action == Action.INSERT
        newer = entry


def _change(entry: _Entry, unrecorded_until: datetime | None) -> Change:
    return Change(
        row_id=entry.row_id,
        sequence=entry.sequence,
        entry=entry.id,
        transaction_id=entry.transaction_id,
        action=Action(entry.action),
        at=entry.at,
        kept=entry.kept,
        left=entry.after,
        is_whole=entry.is_whole,
        context=described(entry.context),
        database_user=entry.database_user,
        database_role=entry.database_role,
        application_name=entry.application_name,
        client_address=entry.client_address,
        is_proven=entry.is_intact,
        unrecorded_until=unrecorded_until,
    )


def _changed(before: Row | None, after: Row | None) -> frozenset[str]:
    before, after = before or {}, after or {}
    return frozenset(name for name in before.keys() | after.keys() if differ(before.get(name), after.get(name)))


def differ(before: Any, after: Any) -> bool:
    """Whether two values of jsonb differ. By their text, as there: to Python, true equals 1."""
    return repr(before) != repr(after)


def parsed_jsonb(text: str) -> Any:
    """Return what the text of a jsonb value says; a number that a float might round, or a long one, is a Decimal."""
    return json.loads(text, parse_float=Decimal, parse_int=_whole_number)


def _whole_number(text: str) -> int | Decimal:
    """Return what has up to 18 digits as an int: few JSON writers take longer ones."""
    return int(text) if len(text) <= 19 else Decimal(text)


def described(context: str | None) -> Row:
    """Return the description of a change: anything may have been written there, and what isn't an object is nothing."""
    try:
        found = json.loads(context or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
