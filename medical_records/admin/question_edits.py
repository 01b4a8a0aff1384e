"""What the buttons of the question editor do to the questions, before anything is saved.

Each is a button of the form: it sends all that was typed, and gets it again, with the edit done.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.forms.formsets import DELETION_FIELD_NAME

#: The name of the buttons.
EDIT = "_edit"

#: The value of the button that changes nothing.
PREVIEW = "preview"

#: The inputs of a question by their names, as they were typed.
Row = dict[str, Any]

_EDIT = re.compile(r"(add|up|down|remove|keep)(?:-(\d{1,4}))?", re.ASCII)
_MOVE = re.compile(r"move-(\d{1,4})-to-(\d{1,4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Focus:
    """Where the person goes on: at an input or a button of the question at `position`, or after all of them."""

    position: int
    control: str


@dataclass(frozen=True, slots=True)
class Edited:
    """`moved_to` is the position of the question that was moved."""

    rows: list[Row]
    focus: Focus | None
    moved_to: int | None = None


def edited(rows: list[Row], value: str) -> Edited:
    """Return `rows` as the button with that value leaves them: "add" at the end, or "up-3" for the one at 3, from 0.

    "move-3-to-0" is what dragging sends. A value that nothing sends changes nothing.
    """
    if move := _MOVE.fullmatch(value):
        return _dragged(rows, int(move[1]), int(move[2]))
    found = _EDIT.fullmatch(value)
    action, place = (found[1], int(found[2]) if found[2] else None) if found else ("", None)
    if action == "add" and place is None:
        return _add(rows, len(rows) - 1)
    if place is None or place >= len(rows):
        return Edited(rows, None)
    return _ACTIONS[action](rows, place)


def _add(rows: list[Row], place: int) -> Edited:
    return Edited([*rows[: place + 1], {}, *rows[place + 1 :]], Focus(place + 1, "label"))


def _up(rows: list[Row], place: int) -> Edited:
    return _move(rows, place, max(place - 1, 0), "up")


def _down(rows: list[Row], place: int) -> Edited:
    return _move(rows, place, min(place + 1, len(rows) - 1), "down")


def _dragged(rows: list[Row], place: int, to: int) -> Edited:
    if max(place, to) >= len(rows):
        return Edited(rows, None)
    return _move(rows, place, to, "up")


def _move(rows: list[Row], place: int, to: int, action: str) -> Edited:
    moved = [*rows[:place], *rows[place + 1 :]]
    moved.insert(to, rows[place])
    other = {0: "down", len(rows) - 1: "up"}
    return Edited(moved, Focus(to, other.get(to, action)), moved_to=to)


def _remove(rows: list[Row], place: int) -> Edited:
    """Mark a question as removed; drop one that is new and blank."""
    if not any(value for name, value in rows[place].items() if name not in {"type", "required"}):
        rest = [*rows[:place], *rows[place + 1 :]]
        return Edited(rest, Focus(place, "label" if place < len(rest) else "add"))
    return _marked(rows, place, "1", "keep")


def _keep(rows: list[Row], place: int) -> Edited:
    return _marked(rows, place, "", "remove")


def _marked(rows: list[Row], place: int, mark: str, focus: str) -> Edited:
    row = {**rows[place], DELETION_FIELD_NAME: mark}
    return Edited([*rows[:place], row, *rows[place + 1 :]], Focus(place, focus))


_ACTIONS: dict[str, Callable[[list[Row], int], Edited]] = {
    "add": _add,
    "up": _up,
    "down": _down,
    "remove": _remove,
    "keep": _keep,
}
