"""Transactions that say who changes something: each entry of the history that they make has it as `context`.

with changes_by(via="command", command="purge_trash"):
    with atomic():
        ...
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.transaction import get_connection

from .waiting_commits import COMMITS_WAIT, CommitsWait

#: The setting that the history's triggers read. It holds for one transaction, as PgBouncer requires.
SETTING = "audit.context"

#: How long a request's change waits for a lock that another holds, unless the role or the URL says it. Nothing else ends
#: the wait, which keeps a thread of the server busy.
LOCK_TIMEOUT = "30s"

#: Not set_config(), as below: Citus tells the workers of a SET alone, by the whole text of the query that it is in.
_DESCRIBE = f"SET LOCAL {SETTING} = %s"
_LIMIT = "CASE WHEN current_setting('lock_timeout') = '0' THEN set_config('lock_timeout', %s, true) END"

_description: ContextVar[dict[str, Any] | None] = ContextVar("who changes something", default=None)
#: The databases in whose transaction the description has been set.
_described: ContextVar[frozenset[str]] = ContextVar("described transactions", default=frozenset())


@contextmanager
def changes_by(**description: Any) -> Iterator[None]:
    """Describe the changes that are made inside: `via`, `by` (a user's id), `name`, `command`, `request_id`, `reason`."""
    token = _description.set(description)
    try:
        yield
    finally:
        _description.reset(token)


def describe_changes(**more: Any) -> None:
    """Add to the description of the changes that are being made, such as who it is once that is known."""
    description = _description.get()
    if description is not None:
        description.update(more)


def current_description() -> Mapping[str, Any]:
    """Return what describes the changes that are being made: who it is, and by which request."""
    return _description.get() or {}


def atomic(using: Any = DEFAULT_DB_ALIAS, *, durable: bool = False) -> Any:
    """Return what Django's `transaction.atomic` does, which also tells the database who changes something.

    In a request, it raises CommitsWait before it begins where commits wait for a standby that doesn't come.
    """
    return _described_transaction()(using) if callable(using) else _described_transaction(using, durable)


@contextmanager
def _described_transaction(using: str = DEFAULT_DB_ALIAS, durable: bool = False) -> Iterator[None]:
    with transaction.atomic(using, durable=durable):
        described = _described.get()
        token = _described.set(described | {using})
        try:
            if using not in described:
                _tell(using, current_description())
            yield
        finally:
            _described.reset(token)


def _tell(using: str, description: Mapping[str, Any]) -> None:
    if not description:
        return
    text = json.dumps(
        {name: value for name, value in description.items() if value not in (None, "")}, ensure_ascii=False
    )
    with get_connection(using).cursor() as cursor:
        if "request_id" in description:
            cursor.execute(f"{_DESCRIBE}; SELECT {COMMITS_WAIT}, {_LIMIT}", [text, LOCK_TIMEOUT])
            if cursor.fetchone()[0]:
                raise CommitsWait
        else:
            cursor.execute(_DESCRIBE, [text])
