"""A row's history as people read it: who did what and when, and which values became which.

It works for every recorded table of the clinic's; what is inside a column of JSON is told by the `Readers` of the part that
knows it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, takewhile
from operator import attrgetter
from typing import Any, overload

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.text import capfirst

from clinic_project.audit.history import Action as RowAction
from clinic_project.audit.history import Change, database_of, histories_of
from clinic_project.reconciliation.management.base import APPLICATION_NAME as MIGRATE

Row = dict[str, Any]

#: Columns that say of a change what the change itself says.
_BOOKKEEPING = frozenset({"version", "updated_at", "updated_by_user_id"})
_TRASH = frozenset({"is_deleted", "deleted_at"})


class Action(models.TextChoices):
    CREATED = "created"
    CHANGED = "changed"
    #: To the trash, and out of it.
    DELETED = "deleted"
    RESTORED = "restored"
    SIGNED = "signed"
    #: What was signed, with a reason: the new version isn't.
    AMENDED = "amended"
    ENTERED_IN_ERROR = "entered-in-error"
    #: For good.
    REMOVED = "removed"
    #: By nobody knows whom, while no trigger stood.
    FOUND_CHANGED = "found-changed"


class Via(models.TextChoices):
    API = "api", "API"
    ADMIN = "admin", "admin"
    COMMAND = "command", "command"
    MIGRATE = "migrate", "migrate"
    SQL = "sql", "SQL"


@dataclass(frozen=True, slots=True)
class By:
    """Who changed something, as the request said: a user's id, and their name then or that of a command."""

    id: int | None
    name: str | None


@dataclass(frozen=True, slots=True)
class ValueChange:
    """What was `before` and what is `after`, None where there is nothing, are JSON. `path` is for programs."""

    path: str
    label: str
    before: Any
    after: Any


#: Yields the changes within a column, from the row before and the row after. Both have been there, whatever is in them.
Reader = Callable[[Row, Row], Iterator[ValueChange]]
Readers = Mapping[str, Reader]


@dataclass(frozen=True, slots=True)
class Done:
    """What a change did to a row, where its columns say so, and why, where they say that."""

    action: Action
    reason: Any = None


#: Tells what became of a row, from the row before and the row after; None for what any row may be: see `_action`.
TellDone = Callable[[Row, Row], Done | None]


def tell_nothing(before: Row, after: Row) -> Done | None:
    return None


@dataclass(frozen=True, slots=True)
class ReadableChange:
    """One change; `sequence` is its position, 1 for the oldest.

    `before` and `after` are the row's columns as JSON, None where it wasn't there. `is_proven`: the row was `after` then;
    else it is what can be told. `until`: of what was found changed, when it had been, at the latest; `at` is the earliest.
    What changed isn't known then, and there are no `changes`; nor are there of what was created or removed. `recorded` is
    what the database kept: of what was found changed, the change before.
    """

    sequence: int
    version: int | None
    at: datetime
    until: datetime | None
    action: Action
    by: By | None
    via: Via | None
    request_id: str | None
    reason: str | None
    changes: tuple[ValueChange, ...]
    before: Row | None
    after: Row | None
    is_proven: bool
    recorded: Change


class ReadableChanges(Sequence[ReadableChange]):
    """The changes of a row, the newest first. Each is told when it is asked for: there may be thousands.

    `recorded` are the database's own, the newest first. `tell` makes a ReadableChange of one, whose sequence it is given.
    """

    def __init__(self, recorded: Sequence[Change], tell: Callable[[Change, int], ReadableChange]) -> None:
        self.recorded = recorded
        self._tell = tell
        #: Of what was found changed, the time until which it had been; None of what was recorded.
        self._places = [(change, until) for change in recorded for until in _untils(change)]

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> ReadableChange: ...
    @overload
    def __getitem__(self, index: slice) -> list[ReadableChange]: ...
    def __getitem__(self, index: int | slice) -> ReadableChange | list[ReadableChange]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = range(len(self))[index]
        change, until = self._places[place]
        sequence = len(self) - place
        return self._tell(change, sequence) if until is None else _found(change, until, sequence)

    @property
    def found_changed(self) -> list[ReadableChange]:
        """What was changed while no trigger stood."""
        return [self[place] for place, (_, until) in enumerate(self._places) if until is not None]

    def sequence_at(self, moment: datetime) -> int:
        """Return the sequence of the last change that had been made at `moment`, 0 where there was none.

        What was found changed had been so at the latest when it was found.
        """
        places = (place for place, (change, until) in enumerate(self._places) if (until or change.at) <= moment)
        return len(self) - next(places, len(self))

    def with_each(self, add: Callable[[ReadableChange], ReadableChange]) -> "ReadableChanges":
        """Return the changes, each as `add` makes it of what it is here."""
        return ReadableChanges(self.recorded, lambda change, sequence: add(self._tell(change, sequence)))


def _untils(change: Change) -> list[datetime | None]:
    return [change.unrecorded_until, None] if change.unrecorded_until else [None]


@dataclass(frozen=True, slots=True)
class History:
    """The changes of a row, the newest first."""

    changes: ReadableChanges


def recorded_changes(rows: Sequence[models.Model]) -> dict[int, list[Change]]:
    """Return what the database recorded of rows of one table, by their ids, for `readable_history`."""
    first = rows[0]
    found = histories_of(first._meta.db_table, [row.pk for row in rows], using=database_of(first))
    return {row_id: list(changes) for row_id, changes in groupby(found, attrgetter("row_id"))}


def readable_history(
    row: models.Model,
    readers: Readers | None = None,
    tell_done: TellDone = tell_nothing,
    *,
    recorded: Sequence[Change] | None = None,
) -> ReadableChanges:
    """Return the changes of a row of a recorded table that belongs to a clinic, the newest first.

    `recorded` is what the database recorded of it, where that has been read.
    """
    found = recorded_changes([row]).get(row.pk, []) if recorded is None else recorded
    # A row of another clinic may have had this id before, and was removed, recorded or not.
    ours = takewhile(lambda life: _was_of(life, row), _lives(found))

    def tell(change: Change, sequence: int) -> ReadableChange:
        done = tell_done(change.before, change.after) if change.before and change.after else None
        return _told(type(row), change, readers or {}, sequence, done or Done(_action(change)))

    return ReadableChanges([change for life in ours for change in life], tell)


def _lives(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Yield the changes of each row that had the id, the newest first: up to its removal, from its creation on."""
    life: list[Change] = []
    for change in changes:
        if life and (change.action is RowAction.DELETE or life[-1].action is RowAction.INSERT):
            yield life
            life = []
        life.append(change)
    if life:
        yield life


def _was_of(life: Sequence[Change], row: Any) -> bool:
    """Whether `row` can have been what lived: in the clinic in which that was at last, as far as it is known."""
    # What is there after a removal is another row.
    states = (state for one in life for state in (one.action is not RowAction.DELETE and one.after, one.before))
    known = (state["clinic_id"] for state in states if state and "clinic_id" in state)
    return next(known, row.clinic_id) == row.clinic_id


def _told(model: type[models.Model], change: Change, readers: Readers, sequence: int, done: Done) -> ReadableChange:
    return ReadableChange(
        sequence=sequence,
        version=_version(change.after or change.before),
        at=change.at,
        until=None,
        action=done.action,
        by=said_by(change.context),
        via=via(change.context, change.application_name),
        request_id=_text(change.context.get("request_id")),
        reason=_text(done.reason) or _text(change.context.get("reason")),
        changes=tuple(_changes(model, change, done.action, readers)),
        before=change.before,
        after=change.after,
        is_proven=change.is_proven,
        recorded=change,
    )


def _found(change: Change, until: datetime, sequence: int) -> ReadableChange:
    return ReadableChange(
        sequence=sequence,
        version=_version(change.after),
        at=change.at,
        until=until,
        action=Action.FOUND_CHANGED,
        by=None,
        via=None,
        request_id=None,
        reason=None,
        changes=(),
        before=None,
        after=change.after,
        is_proven=True,
        recorded=change,
    )


def _action(change: Change) -> Action:
    if change.action is RowAction.INSERT:
        return Action.CREATED
    if change.action is RowAction.DELETE:
        return Action.REMOVED
    was, is_now = ((row or {}).get("is_deleted") is True for row in (change.before, change.after))
    if was is is_now:
        return Action.CHANGED
    return Action.DELETED if is_now else Action.RESTORED


def _version(row: Row | None) -> int | None:
    version = (row or {}).get("version")
    return version if isinstance(version, int) else None


def said_by(context: Row) -> By | None:
    """Return who it was, as the request said; None where it said nobody."""
    user_id, name = context.get("by"), _text(context.get("name")) or _text(context.get("command"))
    is_id = isinstance(user_id, int) and not isinstance(user_id, bool)
    return By(user_id if is_id else None, name) if is_id or name else None


def via(context: Row, application_name: str | None) -> Via:
    """Return by which way it was done: as the request said, or as the session is called."""
    said = context.get("via")
    if said in Via.values:
        return Via(said)
    return Via.MIGRATE if application_name == MIGRATE else Via.SQL


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _changes(model: type[models.Model], change: Change, action: Action, readers: Readers) -> Iterator[ValueChange]:
    before, after = change.before, change.after
    if before is None or after is None:
        return
    said_already = _BOOKKEEPING | _TRASH if action in {Action.DELETED, Action.RESTORED} else _BOOKKEEPING
    # In the order of the row's columns: those of jsonb, which has the short names first.
    for name in sorted(change.changed - said_already, key=lambda name: (len(name), name)):
        read = readers.get(name)
        within = list(read(before, after)) if read else []
        yield from within or [column_change(model, name, before, after)]


def column_change(model: type[models.Model], name: str, before: Row, after: Row) -> ValueChange:
    """Return the change of a column as a whole."""
    return ValueChange(name, _label(model, name), before.get(name), after.get(name))


def columns_of(model: type[models.Model], row: Row | None) -> Row:
    """Return the declared columns of a row as Python has them, None for those that it lacks; empty where there is no row."""
    if row is None:
        return {}
    return {field.attname: python_value(field, row.get(field.column)) for field in model._meta.concrete_fields}


def python_value(field: "models.Field[Any, Any]", value: Any) -> Any:
    """Return a value of jsonb as the model has it; another type that a column may have had, as it is."""
    try:
        return value if isinstance(field, models.JSONField) else field.to_python(value)
    except ValidationError:
        return value


def _label(model: type[models.Model], column: str) -> str:
    """Return what the admin calls a column; its own name where the model doesn't declare it."""
    for field in model._meta.concrete_fields:
        if field.column == column:
            return str(capfirst(field.verbose_name))
    return column
