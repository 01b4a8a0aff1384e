"""Forms, answers and patients as FHIR has them. No database is needed."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from clinic_project.api.renderers import as_json
from clinic_project.clinics.models import Clinic, Patient
from medical_records.export.fhir import Bundle, answered_items, questionnaire
from medical_records.export.pictures import Picture
from medical_records.factories import every_field_type, make_field, sample_value
from medical_records.models import MedicalRecord, PatientPhoto

from .exports import assert_valid_fhir, fhir_validator

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


def form(*fields) -> dict:
    return {"name": "First visit", "description": None, "fields": [*fields]}


def item(field) -> dict:
    [found] = questionnaire(form(field))["item"]
    return found


def answers(field, value) -> list:
    return [answer for found in answered_items(form(field), {field["id"]: value}) for answer in found["answer"]]


def test_a_form_is_a_valid_questionnaire():
    assert_valid_fhir(questionnaire(form(*every_field_type())))
    assert_valid_fhir(questionnaire({}))


def test_every_type_of_field_has_one_of_fhirs():
    types = {field["label"]: item(field)["type"] for field in every_field_type()}
    assert types == {
        "Chief complaint": "string",
        "History": "text",
        "Temperature (°C)": "decimal",
        "Onset": "date",
        "Severity": "choice",
        "Side": "choice",
        "Allergies": "choice",
    }


def test_an_answer_is_of_the_type_of_its_field():
    found = [answers(field, sample_value(field)) for field in every_field_type()]
    assert found == [
        [{"valueString": "Chief complaint: nothing unusual"}],
        [{"valueString": "History: nothing unusual"}],
        [{"valueDecimal": 37.5}],
        [{"valueDate": "2026-03-14"}],
        [{"valueString": "Mild"}],
        [{"valueString": "Right"}],
        [{"valueString": "Penicillin"}, {"valueString": "Latex"}],
    ]


def test_options_and_whether_several_may_be_chosen_are_told():
    radio = item(make_field("Side", "radio", options=["Left", "Right"]))
    assert radio["answerOption"] == [{"valueString": "Left"}, {"valueString": "Right"}]
    assert "repeats" not in radio
    assert item(make_field("Allergies", "checkbox", options=["Latex"]))["repeats"] is True


def test_a_number_with_a_unit_is_a_quantity_within_its_limits():
    field = make_field("Pressure", "number", unit="mmHg", min=20, max=300)
    asked = item(field)
    assert asked["type"] == "quantity"
    assert [extension["url"].rsplit("/", 1)[1] for extension in asked["extension"]] == [
        "questionnaire-unit",
        "minValue",
        "maxValue",
    ]
    assert_valid_fhir(questionnaire(form(field)))
    assert answers(field, 120) == [{"valueQuantity": {"value": 120, "unit": "mmHg"}}]


def test_what_a_type_cannot_have_is_text():
    assert answers(make_field("Onset", "date"), "soon") == [{"valueString": "soon"}]
    assert answers(make_field("Temperature", "number"), "high") == [{"valueString": "high"}]
    assert answers(make_field("Temperature", "number"), True) == [{"valueString": "Yes"}]
    assert answers(make_field("Temperature", "number"), Decimal("37.50")) == [{"valueDecimal": Decimal("37.50")}]


@pytest.mark.parametrize("value", [None, "", " \t", [], "\u3000"])
def test_a_blank_is_no_answer(value):
    assert answers(make_field("Complaint"), value) == []


def test_white_space_that_a_string_cannot_have_is_a_space():
    assert answers(make_field("Complaint"), "頭痛\u3000發燒\u000b\u0001.\nToday") == [
        {"valueString": "頭痛 發燒  .\nToday"}
    ]


def test_an_answer_to_no_field_comes_last():
    field = make_field("Complaint")
    found = list(answered_items(form(field), {"other": 5, field["id"].upper(): "Headache"}))
    assert [(one["linkId"], one["answer"]) for one in found] == [
        (field["id"], [{"valueString": "Headache"}]),
        ("other", [{"valueString": "5"}]),
    ]


@pytest.mark.parametrize(
    ("written", "code"),
    [("female", "female"), ("M", "male"), ("女", "female"), ("diverse", "unknown"), ("", None), (None, None)],
)
def test_a_gender_is_one_of_fhirs_codes(written, code):
    patient = Patient(pk=7, clinic=Clinic(name="Harbour Street"), full_name=" ", gender=written, is_deleted=False)
    resource = Bundle(patient, {}).patient()["resource"]
    assert_valid_fhir(resource)
    assert resource.get("gender") == code
    assert "name" not in resource


@pytest.mark.parametrize(
    ("marks", "status"),
    [
        ({}, "completed"),
        ({"amended_at": NOON}, "amended"),
        ({"amended_at": NOON, "entered_in_error_at": NOON}, "entered-in-error"),
        ({"is_deleted": True}, "entered-in-error"),
    ],
)
def test_a_records_status_says_whether_it_holds(marks, status):
    patient = Patient(pk=7, clinic=Clinic(name="Harbour Street"), full_name="Grace Hopper")
    record = MedicalRecord(pk=12, patient=patient, template_snapshot=form(), values={}, updated_at=NOON)
    for name, value in ({"is_deleted": False} | marks).items():
        setattr(record, name, value)
    *_, response = Bundle(patient, {}).record(record)
    assert response["resource"]["status"] == status


def media_of(photo: PatientPhoto, **marks) -> dict:
    """Return the Media of a photo, in a Bundle with the record 12, which has these marks."""
    patient = Patient(pk=7, clinic=Clinic(name="Harbour Street"), full_name="Grace Hopper")
    record = MedicalRecord(pk=12, patient=patient, template_snapshot=form(), values={}, updated_at=NOON)
    for name, value in ({"is_deleted": False} | marks).items():
        setattr(record, name, value)
    bundle = Bundle(patient, {})
    *_, entry = bundle.record(record)
    media = json.loads(as_json(bundle.photo(photo, Picture(photo.pk, name="photos/3.jpg", size=1000))["resource"]))
    assert_valid_fhir(media)
    assert media.get("partOf") in (None, [{"reference": entry["fullUrl"]}])
    return media


def a_photo(**columns) -> PatientPhoto:
    given = {"medical_record_id": 12, "is_pending": False, "is_deleted": False, "created_at": NOON, **columns}
    return PatientPhoto(pk=3, filename="knee.jpg", content_type="image/jpeg", **given)


@pytest.mark.parametrize(
    ("marks", "status"),
    [({}, "completed"), ({"entered_in_error_at": NOON}, "entered-in-error"), ({"amended_at": NOON}, "completed")],
)
def test_a_photo_is_in_error_as_its_record_is(marks, status):
    media = media_of(a_photo(), **marks)
    assert (media["status"], "partOf" in media) == (status, True)
    assert media_of(a_photo(is_pending=True), **marks)["status"] == status
    assert media_of(a_photo(medical_record_id=None), **marks)["status"] == "completed"


def test_a_photo_is_part_of_no_record_that_isnt_there_or_that_it_wasnt_saved_with():
    for columns in ({"is_pending": True}, {"medical_record_id": None}, {"medical_record_id": 13}):
        assert "partOf" not in media_of(a_photo(**columns))


def test_the_validator_finds_what_is_wrong():
    wrong = {"resourceType": "Patient", "gender": "f"}
    assert not fhir_validator().is_valid(wrong)
    assert not fhir_validator().is_valid({**questionnaire(form()), "unknown": 1})
