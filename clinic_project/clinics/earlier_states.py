"""An object as it was at any time, by its history."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import models

from .history import Action, ReadableChange, Row


@dataclass(frozen=True, slots=True)
class State:
    """What an object was after `change` and before `following`: None where nothing was recorded before, or it is so now."""

    row: Row
    change: ReadableChange | None
    following: ReadableChange | None

    @property
    def sequence(self) -> int:
        return self.change.sequence if self.change else 0

    @property
    def is_proven(self) -> bool:
        # The first change kept what was there before it.
        return self.change is None or self.change.is_proven


def state_at(changes: Sequence[ReadableChange], sequence: int) -> State | None:
    """Return the state that the change of that sequence left, 0 for what was there before the first.

    None where there is none. `changes` are all, the newest first.
    """
    change, following = (_of_sequence(changes, one) for one in (sequence, sequence + 1))
    before_the_first = following.before if following and sequence == 0 else None
    row = change.after if change else before_the_first
    return None if row is None else State(row, change, following)


def _of_sequence(changes: Sequence[ReadableChange], sequence: int) -> ReadableChange | None:
    return changes[len(changes) - sequence] if 1 <= sequence <= len(changes) else None


def begins_with_creation(changes: Sequence[ReadableChange]) -> bool:
    """Say whether the history, the newest first, goes back to when the object was made."""
    return bool(changes) and changes[-1].action is Action.CREATED


def undeclared(model: type[models.Model], row: Row) -> Row:
    """Return the columns of `row` that `model` doesn't declare: other programs' ones, and those that there were once."""
    declared = {field.column for field in model._meta.concrete_fields}
    return {name: value for name, value in sorted(row.items()) if name not in declared}
