"""Drafts of a record's answers in a real browser: none is lost, none is another patient's, and none overwrites."""

import pytest

from clinic_project.audit.transactions import atomic
from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from clinic_project.clinics.tests.browser import needs_chromium
from medical_records import services
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, make_field
from medical_records.models import MedicalRecord

from .test_drafts_in_a_browser import is_offered, kept, stored, type_into

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium, pytest.mark.slow]

ADD = "medical_records_medicalrecord_add"
ANSWERS = "medical_records_medicalrecord_answers"
FIELDS = [
    make_field("Complaint", order=0),
    make_field("History", "textarea", order=1),
    make_field("Severity", "dropdown", options=["Mild", "Severe"], order=2),
    make_field("Consent", "radio", options=["Given", "Refused"], order=3),
    make_field("Allergies", "checkbox", options=["Latex", "Pollen"], order=4),
]


@pytest.fixture
def practitioner(staff):
    membership = MembershipFactory(user__staff=True)
    staff.come_back(membership.user)
    staff.driver.execute_script("localStorage.clear()")
    return membership


@pytest.fixture
def template(practitioner):
    return MedicalRecordTemplateFactory(clinic=practitioner.clinic, fields=FIELDS)


@pytest.fixture
def record(practitioner, template):
    values = {FIELDS[0]["id"]: "Cough", FIELDS[1]["id"]: "None", FIELDS[4]["id"]: ["Latex"]}
    return MedicalRecordFactory(patient__clinic=practitioner.clinic, template=template, values=values)


def answers(record) -> list:
    values = MedicalRecord.objects.get(pk=record.pk).values
    return [values.get(field["id"]) for field in FIELDS]


def value(staff, place: int) -> str:
    return staff.find(f"#id_input_{place}").get_property("value")


def test_a_new_record_is_offered_for_its_patient_alone(staff, practitioner, template):
    from selenium.webdriver.support.ui import Select

    patient, other = PatientFactory.create_batch(2, clinic=practitioner.clinic)
    staff.open(ADD, query=f"?patient={patient.pk}&template={template.pk}")
    type_into(staff, "#id_input_0", "Headache")
    type_into(staff, "#id_input_1", "Since Monday")
    Select(staff.find("#id_input_2")).select_by_value("Severe")
    for chosen in ("[type=radio][value=Refused]", "[type=checkbox][value=Pollen]"):
        staff.find(chosen).click()
    kept(staff)
    staff.open(ADD, query=f"?patient={other.pk}&template={template.pk}")
    assert not is_offered(staff)
    staff.open(ADD, query=f"?patient={patient.pk}&template={template.pk}")
    assert is_offered(staff)
    assert not staff.find(".draft-older").is_displayed()
    staff.shoot("draft-of-a-record")
    staff.find(".draft-continue").click()
    staff.find_text(".draft", "This is the draft of ")
    staff.click(".submit-row [type=submit]")
    assert answers(MedicalRecord.objects.get()) == ["Headache", "Since Monday", "Severe", "Refused", ["Pollen"]]
    assert stored(staff) == []


def test_what_somebody_else_has_answered_meanwhile_is_not_overwritten(staff, practitioner, record):
    staff.open(ANSWERS, record.pk)
    type_into(staff, "#id_input_0", ", dry")
    values = {**record.values, FIELDS[0]["id"]: "Fever", FIELDS[1]["id"]: "Asthma"}
    with atomic():
        services.change_record(record, [1], practitioner.user, values=values)
    staff.open(ANSWERS, record.pk)
    assert staff.find(".draft-older").is_displayed()
    staff.find(".draft-continue").click()
    staff.find_text(".draft", "This is the draft of ")
    assert (value(staff, 0), value(staff, 1)) == ("Cough, dry", "Asthma")
    staff.click(".submit-row [type=submit]")
    assert staff.driver.switch_to.active_element.text == "Two versions"
    assert answers(record)[:2] == ["Fever", "Asthma"]
    assert not is_offered(staff)
    staff.shoot("draft-of-a-record-conflict")
    staff.click(".submit-row [type=submit]")
    assert answers(record)[:2] == ["Cough, dry", "Asthma"]
    assert stored(staff) == []
