"""What the buttons of the question editor do to the questions that were typed."""

import pytest

from medical_records.admin.question_edits import Edited, Focus, edited

A, B, C = ({"id": name, "label": name.upper()} for name in "abc")


def test_a_question_is_added_at_the_end_and_the_person_goes_on_at_its_label():
    assert edited([A, B], "add") == Edited([A, B, {}], Focus(2, "label"))
    assert edited([], "add") == Edited([{}], Focus(0, "label"))


def test_a_question_is_added_below_another():
    assert edited([A, B], "add-0") == Edited([A, {}, B], Focus(1, "label"))


@pytest.mark.parametrize(
    ("button", "rows", "focus"),
    [
        ("up-2", [A, C, B], Focus(1, "up")),
        ("up-1", [B, A, C], Focus(0, "down")),
        ("down-0", [B, A, C], Focus(1, "down")),
        ("down-1", [A, C, B], Focus(2, "up")),
        ("up-0", [A, B, C], Focus(0, "down")),
        ("down-2", [A, B, C], Focus(2, "up")),
    ],
)
def test_a_question_is_moved_and_the_same_button_of_it_is_next_as_long_as_it_can_be_pressed(button, rows, focus):
    assert edited([A, B, C], button) == Edited(rows, focus, moved_to=focus.position)


@pytest.mark.parametrize(
    ("sent", "rows", "focus"),
    [
        ("move-0-to-2", [B, C, A], Focus(2, "up")),
        ("move-2-to-0", [C, A, B], Focus(0, "down")),
        ("move-0-to-1", [B, A, C], Focus(1, "up")),
    ],
)
def test_a_question_is_dragged_to_its_place(sent, rows, focus):
    assert edited([A, B, C], sent) == Edited(rows, focus, moved_to=focus.position)


def test_a_removed_question_is_marked_and_can_be_kept_after_all():
    removed = edited([A, B], "remove-0")
    assert removed == Edited([{**A, "DELETE": "1"}, B], Focus(0, "keep"))
    assert edited(removed.rows, "keep-0") == Edited([{**A, "DELETE": ""}, B], Focus(0, "remove"))


def test_a_new_question_that_is_blank_goes_at_once():
    blank = {"type": "number", "required": "on", "label": "", "id": ""}
    assert edited([A, blank, B], "remove-1") == Edited([A, B], Focus(1, "label"))
    assert edited([A, blank], "remove-1") == Edited([A], Focus(1, "add"))


NO_BUTTONS = ["", "up", "up-3", "up--1", "up-99999", "remove-x", "drop-1", "add-7", "preview"]


@pytest.mark.parametrize("value", [*NO_BUTTONS, "move-0-to-3", "move-3-to-0", "move-0"])
def test_a_value_that_no_button_has_changes_nothing(value):
    assert edited([A, B, C], value).rows == [A, B, C]
