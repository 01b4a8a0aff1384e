"""A record as its filled-in form."""

import pytest

from clinic_project.clinics.administration.json_text import as_text
from medical_records.factories import make_field
from medical_records.filled_form import fields_in_order, filled_form


def answer_of(value, field_type="text", **extra):
    field = make_field("Field", field_type, **extra)
    (answer,) = filled_form({"fields": [field]}, {field["id"]: value}).answers
    return answer


@pytest.mark.parametrize(
    ("field_type", "value", "text"),
    [
        ("text", "Cough", "Cough"),
        ("textarea", "One\nTwo", "One\nTwo"),
        ("number", 37.5, "37.5"),
        ("number", 0, "0"),
        ("date", "2026-03-14", "14 Mar 2026"),
        ("date", "2026-99-99", "2026-99-99"),
        ("date", "yesterday", "yesterday"),
        ("text", None, ""),
        ("text", True, "Yes"),
        ("text", ["a", 1], "a, 1"),
        ("text", {"a": 1}, '{\n  "a": 1\n}'),
    ],
)
def test_an_answer_is_shown_as_people_write_it(field_type, value, text):
    assert answer_of(value, field_type).text == text


def test_a_number_is_shown_with_its_unit_and_its_limits():
    answer = answer_of(37.5, "number", unit="°C", min=30, max=45)
    assert (answer.text, answer.range) == ("37.5 °C", "from 30 to 45 °C")
    assert answer_of(None, "number", unit="°C").is_unanswered


def test_a_unit_that_an_older_system_has_given_to_a_text_is_shown_too():
    assert answer_of("120/80", unit="mmHg").text == "120/80 mmHg"
    assert answer_of("", unit="mmHg").text == ""
    assert answer_of("as written \n", unit=" ").text == "as written \n"


def test_all_options_are_shown_and_the_chosen_ones_marked():
    answer = answer_of(["b", "c"], "checkbox", options=["a", "b", "c"])
    assert [(option.label, option.is_chosen) for option in answer.options] == [("a", False), ("b", True), ("c", True)]


def test_an_answer_that_is_no_option_any_more_is_shown_beside_them():
    answer = answer_of("gone", "dropdown", options=["a"])
    assert [(option.label, option.is_chosen) for option in answer.options] == [("a", False), ("gone", True)]


def test_a_required_field_without_an_answer_is_missing():
    assert answer_of("", required=True).is_missing
    assert answer_of([], "checkbox", options=["a"], required=True).is_missing
    assert not answer_of(0, "number", required=True).is_missing
    assert not answer_of("").is_missing


def test_that_no_box_is_ticked_needs_no_words():
    assert not answer_of([], "checkbox", options=["a"]).is_unanswered
    assert answer_of(None, "radio", options=["a"]).is_unanswered


def test_fields_come_in_their_order_those_without_one_last():
    fields = [{"label": "c"}, {"label": "b", "order": 2}, {"label": "a", "order": 1}]
    assert [field["label"] for field in fields_in_order(fields)] == ["a", "b", "c"]


def test_values_that_belong_to_no_field_are_shown():
    assert '"x": 1' in filled_form({"fields": []}, {"x": 1}).rest
    assert filled_form({"fields": []}, {}).rest == ""
    assert filled_form({"fields": []}, ["odd"]).rest == '[\n  "odd"\n]'


@pytest.mark.parametrize("snapshot", [None, 1, "x", [], {}, {"fields": 1}, {"fields": [None, 1, {}]}, {"name": {}}])
@pytest.mark.parametrize("values", [None, 1, "x", [], {}, {"a": None}])
def test_nothing_that_json_can_hold_raises(snapshot, values):
    form = filled_form(snapshot, values)
    assert isinstance(as_text(form.name), str)
