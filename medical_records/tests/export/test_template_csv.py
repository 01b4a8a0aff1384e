"""A template's records as CSV, as a spreadsheet and a program read it."""

import csv
import io
import uuid

import pytest
from django.db.models import JSONField, Value
from django.utils import timezone

from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from medical_records.export.template_csv import safe, write_csv
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, make_field

pytestmark = pytest.mark.django_db

#: Columns before those of the fields.
KNOWN = 9


@pytest.fixture
def template():
    fields = [make_field("Complaint"), make_field("Temperature", "number", unit="°C", order=1)]
    return MedicalRecordTemplateFactory(fields=fields)


def record(template, *answers, **columns):
    values = dict(zip((field["id"] for field in template.fields), answers, strict=False))
    return MedicalRecordFactory(patient__clinic=template.clinic, template=template, values=values, **columns)


def rows(template) -> list[dict[str, str]]:
    with write_csv(template) as file:
        return list(csv.DictReader(io.TextIOWrapper(file, "utf-8-sig", newline="")))


def test_a_row_is_a_record_and_a_column_a_field(template):
    author = MembershipFactory(clinic=template.clinic, full_name="Dr. Wu").user
    made = record(template, "Headache", 37.5, created_by_user=author, patient__full_name="林美玲")
    [row] = rows(template)
    assert row["record"] == str(made.pk)
    assert row["patient's name"] == "林美玲"
    assert row["created by"] == "Dr. Wu"
    assert row["created (UTC)"] == f"{made.created_at:%Y-%m-%d %H:%M:%S}"
    assert (row["Complaint"], row["Temperature [°C]"]) == ("Headache", "37.5")


def test_a_signed_record_says_by_whom_and_when(template):
    made = record(template, "Headache", signed_at=timezone.now(), signed_by_name="Dr. Wu", content_hash="0" * 64)
    record(template, "Cough")
    signed, unsigned = rows(template)
    assert (signed["signed (UTC)"], signed["signed by"]) == (f"{made.signed_at:%Y-%m-%d %H:%M:%S}", "Dr. Wu")
    assert (unsigned["signed (UTC)"], unsigned["signed by"]) == ("", "")


def test_the_trash_and_what_was_entered_in_error_are_left_out(template):
    record(template, "Headache", in_trash=True)
    record(template, "Headache", entered_in_error_at=timezone.now(), entered_in_error_reason="Another patient's")
    made = record(template, "Cough")
    assert [row["record"] for row in rows(template)] == [str(made.pk)]


def test_excel_knows_that_it_is_utf_8(template):
    with write_csv(template) as file:
        assert file.read(3) == b"\xef\xbb\xbf"


def test_fields_that_only_older_records_have_come_last(template):
    record(template, "Headache", 37)
    gone = template.fields.pop(0)
    template.fields[0]["label"] = "Body temperature"
    template.save()
    record(template, 38)
    assert [*rows(template)[0]][KNOWN:] == ["Body temperature [°C]", f"{gone['label']} (former field)"]
    assert [row["Complaint (former field)"] for row in rows(template)] == ["Headache", ""]
    assert [row["Body temperature [°C]"] for row in rows(template)] == ["37", "38"]


def test_equal_labels_are_told_apart(template):
    template.fields[0]["label"] = "Temperature [°C]"
    template.save()
    record(template, "a", 1)
    ids = [field["id"] for field in template.fields]
    assert [*rows(template)[0]][KNOWN:] == [f"Temperature [°C] ({field_id})" for field_id in ids]


def test_an_id_in_other_letters_is_the_same_field(template):
    field_id = str(uuid.uuid4())
    template.fields[0]["id"] = field_id.upper()
    template.save()
    MedicalRecordFactory(patient__clinic=template.clinic, template=template, values={field_id: "Headache"})
    assert rows(template)[0]["Complaint"] == "Headache"


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "=HYPERLINK(1)", "-", "+"])  # noqa: RUF001
def test_formulas_are_text(text):
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "+886912345678", "-5.25", "1=1", "", "'", "a\n=1", "-1,000"])
def test_other_text_and_numbers_stay_as_they_are(text):
    assert safe(text) == text


def test_everything_that_people_write_is_made_safe(template):
    template.fields[0]["label"] = "=label"
    template.save()
    record(template, '=cmd|"/C calc"!A0', -5, patient__full_name="@name")
    [row] = rows(template)
    assert (row["patient's name"], row["'=label"]) == ("'@name", '\'=cmd|"/C calc"!A0')
    assert row["Temperature [°C]"] == "-5"


def test_the_trash_and_other_templates_are_left_out(template):
    record(template, in_trash=True)
    MedicalRecordFactory(patient=PatientFactory(clinic=template.clinic))
    assert rows(template) == []


def test_answers_of_other_systems_are_shown(template):
    for values in (None, [], {template.fields[0]["id"]: {"a": [1]}}):
        record(template)
        MedicalRecordFactory(patient__clinic=template.clinic, template=template, values=Value(values, JSONField()))
    MedicalRecordFactory(
        patient__clinic=template.clinic, template=template, template_snapshot=Value(None, JSONField()), values={}
    )
    assert '"a"' in rows(template)[-2]["Complaint"]


def test_several_choices_are_in_one_cell():
    template = MedicalRecordTemplateFactory(fields=[make_field("Allergies", "checkbox", options=["Latex", "Pollen"])])
    record(template, ["Latex", "Pollen"])
    assert rows(template)[0]["Allergies"] == "Latex; Pollen"
