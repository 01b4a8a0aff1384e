"""Units and limits of number fields: which a template may have, and which answers they let through."""

import json
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clinic_project.clinics.factories import PatientFactory
from clinic_project.reconciliation.tests.support.profiles import PURE
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, make_field
from medical_records.models import MedicalRecord, MedicalRecordTemplate
from medical_records.template_fields import MAX_NUMBER, checked_values, prepared_fields, range_text

TEMPLATES = "/api/clinic/medical-record-templates"
RECORDS = "/api/clinic/medical-records"
SYSTOLIC = {"label": "Systolic", "type": "number", "unit": "mmHg", "min": 40, "max": 300.5}


def post_template(api, field):
    return api.post(TEMPLATES, f'{{"name": "x", "fields": [{field}]}}', content_type="application/json")


def post_record(api, template, answer):
    (field,) = template.fields
    url = f"/api/clinic/patients/{PatientFactory(clinic=template.clinic).pk}/medical-records"
    body = f'{{"template_id": {template.pk}, "values": {{"{field["id"]}": {answer}}}}}'
    return api.post(url, body, content_type="application/json")


class TestOfATemplate:
    def test_they_come_back_as_they_were_sent(self, api):
        (field,) = post_template(api, json.dumps(SYSTOLIC)).json()["fields"]
        assert SYSTOLIC.items() <= field.items()
        assert api.put(
            f"{TEMPLATES}/{MedicalRecordTemplate.objects.get().pk}",
            {
                "name": "x",
                "fields": [{**field, "min": None, "unit": None}],
                "version": 1,
            },
        ).json()["fields"] == [{**field, "min": None, "unit": None}]

    @pytest.mark.parametrize(
        "limit", ["0", "-5", "0.1", "0.30000000000000004", "1e-7", "37.50", "-0.0", str(MAX_NUMBER)]
    )
    def test_a_limit_is_kept_to_the_digit(self, api, limit):
        response = post_template(api, f'{{"label": "x", "type": "number", "min": {limit}, "max": {limit}}}')
        (field,) = json.loads(response.content, parse_float=Decimal)["fields"]
        assert (field["min"], field["max"]) == (Decimal(limit), Decimal(limit))

    @pytest.mark.parametrize(
        "limit", ["true", '"5"', "[1]", "{}", "1e400", "-1e400", str(2**53), "1" + "0" * 4000, "NaN", "Infinity"]
    )
    @pytest.mark.parametrize("name", ["min", "max"])
    def test_a_limit_is_a_finite_number(self, api, name, limit):
        response = post_template(api, f'{{"label": "x", "type": "number", "{name}": {limit}}}')
        assert response.status_code == 400
        if limit not in {"NaN", "Infinity"}:  # that isn't JSON: no field is to blame
            assert list(response.json()["errors"]) == [f"fields.0.{name}"]

    @pytest.mark.parametrize("unit", ["", "  ", "x" * 51, "m\0", 5, ["mm"], True])
    def test_a_unit_is_a_short_text(self, api, unit):
        response = post_template(api, json.dumps({"label": "x", "type": "number", "unit": unit}))
        assert response.status_code == 400
        assert list(response.json()["errors"]) == ["fields.0.unit"]

    def test_the_largest_is_not_below_the_smallest(self, api):
        response = post_template(api, '{"label": "x", "type": "number", "min": 0.3, "max": 0.1}')
        assert response.status_code == 400
        assert response.json()["errors"] == {"fields.0.max": ["At least min, which is 0.3."]}

    @pytest.mark.parametrize("field_type", ["text", "textarea", "date", "dropdown", "radio", "checkbox"])
    @pytest.mark.parametrize(("name", "value"), [("unit", "mm"), ("min", 0), ("max", 0)])
    def test_only_numbers_have_them(self, api, field_type, name, value):
        options = [] if field_type in {"text", "textarea", "date"} else ["a"]
        field = {"label": "x", "type": field_type, "options": options}
        response = post_template(api, json.dumps({**field, name: value}))
        assert response.status_code == 400
        assert response.json()["errors"] == {f"fields.0.{name}": [f"A field of type {field_type} has no {name}."]}
        assert post_template(api, json.dumps({**field, name: None})).status_code == 201

    def test_a_changed_limit_is_told_in_the_history(self, api, clinic):
        field = make_field("Systolic", "number", unit="mmHg", min=40, max=300)
        template = MedicalRecordTemplateFactory(clinic=clinic, fields=[field])
        api.patch(f"{TEMPLATES}/{template.pk}", {"fields": [{**field, "unit": "kPa", "max": 40.5}], "version": 1})
        entry = api.get(f"{TEMPLATES}/{template.pk}/history").json()["results"][0]
        assert {change["label"]: (change["before"], change["after"]) for change in entry["changes"]} == {
            "Systolic: unit": ("mmHg", "kPa"),
            "Systolic: max": (300, 40.5),
        }


class TestOfAnAnswer:
    @pytest.fixture
    def template(self, clinic):
        fields = [make_field("Temperature", "number", unit="°C", min=30, max=42.1)]
        return MedicalRecordTemplateFactory(clinic=clinic, fields=fields)

    @pytest.mark.parametrize("answer", ["30", "30.0", "42.1", "37.5"])
    def test_within_the_limits_it_is_taken_as_it_was_sent(self, api, template, answer):
        (value,) = json.loads(post_record(api, template, answer).content, parse_float=str)["values"].values()
        assert str(value) == answer

    @pytest.mark.parametrize("answer", ["29.999999", "42.100000000000009", "43", "-37", "0"])
    def test_beyond_them_it_is_refused_with_the_limits_and_the_unit(self, api, template, answer):
        response = post_record(api, template, answer)
        assert response.status_code == 400
        path = f"values.{template.fields[0]['id']}"
        assert response.json()["errors"] == {path: ["A number from 30 to 42.1 °C."]}
        assert MedicalRecord.objects.count() == 0

    def test_the_limits_are_those_of_the_records_snapshot(self, api, template):
        url = post_record(api, template, "37")["Location"]
        (field,) = template.fields
        api.patch(f"{TEMPLATES}/{template.pk}", {"fields": [{**field, "min": 36, "max": 38}], "version": 1})
        assert api.patch(url, {"values": {field["id"]: 41}, "version": 1}).status_code == 200
        template.refresh_from_db()
        assert post_record(api, template, "41").status_code == 400

    def test_one_of_an_older_system_stays_until_the_answers_are_changed(self, api, template):
        (field,) = template.fields
        record = MedicalRecordFactory(patient__clinic=template.clinic, template=template, values={field["id"]: 98.6})
        url = f"{RECORDS}/{record.pk}"
        assert api.get(url).json()["values"] == {field["id"]: 98.6}
        assert api.patch(url, {"photo_ids": [], "version": 1}).json()["values"] == {field["id"]: 98.6}
        assert api.patch(url, {"values": {field["id"]: 98.6}, "version": 2}).status_code == 400
        assert api.patch(url, {"values": {field["id"]: 37}, "version": 2}).status_code == 200
        assert api.patch(url, {"values": {}, "version": 3}).status_code == 200


numbers = st.integers(-MAX_NUMBER, MAX_NUMBER) | st.floats(-MAX_NUMBER, MAX_NUMBER)
any_json: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.text() | st.lists(st.integers()) | st.just({}) | st.integers() | st.floats()
)


def takes(field, answer):
    try:
        return checked_values({"fields": [field]}, {field["id"]: answer}) == {field["id"]: answer}
    except ValidationError:
        return False


@PURE
@given(low=st.none() | numbers, high=st.none() | numbers, answer=numbers)
def test_an_answer_is_taken_where_it_is_within_the_limits_exactly(low, high, answer):
    assume(low is None or high is None or low <= high)
    field = make_field("x", "number", min=low, max=high)
    is_within = (low is None or Decimal(low) <= Decimal(answer)) and (high is None or Decimal(answer) <= Decimal(high))
    assert takes(field, answer) == is_within


@PURE
@given(low=numbers, high=numbers)
def test_a_template_takes_limits_that_a_number_can_keep_and_no_others(low, high):
    field = make_field("x", "number", min=low, max=high)
    try:
        prepared_fields([field])
    except ValidationError:
        assert low > high
        # An older system's may be so: they limit nothing.
        assert takes(field, low)
    else:
        assert takes(field, low)
        assert takes(field, high)


@settings(PURE, max_examples=30)
@given(unit=any_json, low=any_json, high=any_json, field_type=st.sampled_from(["number", "text", None, []]))
def test_whatever_an_older_system_left_as_limits_is_read(unit, low, high, field_type):
    field = {"id": "x", "type": field_type, "unit": unit, "min": low, "max": high}
    assert isinstance(range_text(field), str)
    takes(field, 5)


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({}, ""),
        ({"unit": None, "min": None, "max": None}, ""),
        ({"unit": "%"}, "in %"),
        ({"min": 0}, "at least 0"),
        ({"min": 0, "unit": "kg"}, "at least 0 kg"),
        ({"max": 0.1, "unit": "kg"}, "at most 0.1 kg"),
        ({"min": -5, "max": 5.5}, "from -5 to 5.5"),
        ({"min": True, "max": "5", "unit": " "}, ""),
        ({"min": 5, "max": 1, "unit": "kg"}, "in kg"),
    ],
)
def test_limits_as_people_read_them(members, text):
    assert range_text(make_field("x", "number", **members)) == text
