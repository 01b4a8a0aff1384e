"""A record is filled in at a real browser, by keyboard, without JavaScript as with it, at a phone's width too."""

import pytest

from clinic_project.clinics.factories import AppointmentFactory, MembershipFactory, PatientFactory
from clinic_project.clinics.tests.browser import needs_chromium, press, wait_until
from medical_records import services
from medical_records.factories import MedicalRecordTemplateFactory, make_field
from medical_records.models import MedicalRecord

from .filled_in import answers

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium, pytest.mark.slow]

ADD = "medical_records_medicalrecord_add"
ANSWERS = "medical_records_medicalrecord_answers"


@pytest.fixture
def practitioner(staff):
    membership = MembershipFactory(user__staff=True, full_name="Noor Haddad")
    staff.come_back(membership.user)
    return membership


@pytest.fixture(params=["with JavaScript", "without JavaScript"])
def any_browser(request, staff, practitioner):
    """Somebody at a browser, whether it runs scripts or not."""
    with staff.without_scripts(request.param == "without JavaScript"):
        yield staff


@pytest.fixture
def patient(practitioner):
    PatientFactory(clinic=practitioner.clinic, full_name="Grace Kelly", birthday="1929-11-12")
    hopper = {"full_name": "Grace Brewster Murray Hopper", "phone_number": "+886 912-345 678"}
    patient = PatientFactory(clinic=practitioner.clinic, birthday="1906-12-09", **hopper)
    AppointmentFactory(patient=patient)
    return patient


@pytest.fixture
def template(practitioner):
    fields = [
        make_field("Chief complaint", required=True, description="In the patient's own words"),
        make_field("History", "textarea"),
        make_field("Pulse", "number", required=True, unit="bpm", min=30, max=220),
        make_field("Onset", "date"),
        make_field("Severity", "dropdown", options=["Mild", "Moderate", "Severe"]),
        make_field("Consent", "radio", options=["Given"]),
        make_field("Allergies", "checkbox", options=["Penicillin", "Latex", "Pollen " * 30]),
        make_field("How would you put it? " * 11, "textarea"),
    ]
    for order, field in enumerate(fields):
        field["order"] = order
    return MedicalRecordTemplateFactory(clinic=practitioner.clinic, name="First visit", fields=fields)


def go(staff, *keys: str) -> None:
    """Press keys of which the last leads to another page, and wait for that."""
    from selenium.webdriver.support.expected_conditions import staleness_of

    before = staff.find("html")
    press(staff, *keys)
    wait_until(staff, lambda: staleness_of(before)(staff.driver))


def choose_patient_and_template(staff) -> None:
    """Search for both, and take the first that is found."""
    from selenium.webdriver.common.keys import Keys

    staff.open(ADD)
    staff.shoot("filling-empty")
    go(staff, "912 345", Keys.ENTER)
    staff.shoot("filling-patient")
    assert staff.sees_the_whole_width()
    assert staff.texts(".choices strong") == ["Grace Brewster Murray Hopper"]
    go(staff, Keys.ENTER)
    staff.shoot("filling-template")
    go(staff, "first", Keys.ENTER)
    go(staff, Keys.ENTER)
    assert "9 Dec 1906" in staff.find(".patient-line").text


def answer_each_question(staff) -> None:
    """Type or choose an answer of each, the pulse too low."""
    from selenium.webdriver.common.keys import Keys

    staff.find("#id_input_0").send_keys("Headache", Keys.TAB)
    press(staff, "Since Monday", Keys.ENTER, "Worse at night", Keys.TAB)
    press(staff, "20", Keys.TAB)
    # The browser's own button for a calendar comes after the date.
    press(staff, "03142026", Keys.TAB, Keys.TAB)
    press(staff, "Mod", Keys.TAB)
    press(staff, Keys.ARROW_UP, Keys.TAB)
    press(staff, Keys.SPACE, Keys.TAB, Keys.TAB, Keys.SPACE)
    staff.shoot("filling-filled")
    assert staff.sees_the_whole_width()


def correct_the_pulse(staff) -> None:
    """Send the form, be led to the error, and send it again."""
    from selenium.webdriver.common.keys import Keys

    press(staff, Keys.TAB, Keys.TAB)
    go(staff, Keys.TAB, Keys.ENTER)
    assert staff.driver.switch_to.active_element.text == "It hasn't been saved yet"
    staff.shoot("filling-error")
    assert staff.sees_the_whole_width()
    press(staff, Keys.TAB)
    assert staff.driver.switch_to.active_element.text == "Pulse"
    press(staff, Keys.ENTER)
    pulse = staff.find("#id_input_2")
    assert pulse.get_property("value") == "20"
    go(staff, Keys.CONTROL + "a", "72", Keys.ENTER)


def test_a_record_is_filled_in_by_keyboard_alone(any_browser, patient, template):
    staff = any_browser
    choose_patient_and_template(staff)
    answer_each_question(staff)
    correct_the_pulse(staff)
    staff.shoot("filling-saved")
    assert "Saved." in staff.find(".messagelist").text
    record = MedicalRecord.objects.get()
    assert answers(record) == {
        "Chief complaint": "Headache",
        "History": "Since Monday\nWorse at night",
        "Pulse": 72,
        "Onset": "2026-03-14",
        "Severity": "Moderate",
        "Consent": "Given",
        "Allergies": ["Penicillin", "Pollen " * 30],
    }
    assert record.patient == patient


def test_two_versions_stand_beside_each_other(any_browser, practitioner, patient, template):
    staff = any_browser
    ids = {field["label"]: field["id"] for field in template.fields}
    values = {ids["Pulse"]: 70, ids["History"]: "Well", ids["Allergies"]: ["Latex"]}
    record = services.create_record(template, patient, practitioner.user, values=values)
    staff.open(ANSWERS, record.pk)
    other = MembershipFactory(clinic=practitioner.clinic, full_name="Ada Obi").user
    changed = values | {ids["Pulse"]: 90, ids["History"]: "Since Monday. " * 40, ids["Severity"]: "Severe"}
    services.change_record(record, [1], other, values=changed)
    staff.find("#id_input_2").clear()
    staff.write("#id_input_2", "80")
    staff.write("#id_input_1", ", as ever")
    staff.click(".submit-row [type=submit]")
    assert staff.driver.switch_to.active_element.text == "Two versions"
    staff.shoot("filling-conflict")
    assert staff.sees_the_whole_width()
    staff.find(f"[name='take-answer-{ids['Pulse']}'][value=saved]").click()
    staff.click(".submit-row [type=submit]")
    assert answers(record) == {
        "Pulse": 90,
        "History": "Well, as ever",
        "Severity": "Severe",
        "Allergies": ["Latex"],
    }


def test_two_hundred_questions_fit(staff, practitioner, patient):
    kinds = ["text", "textarea", "number", "date", "dropdown", "radio", "checkbox"]
    chosen = {"options": [f"Option {place}" for place in range(30)]}
    fields = [
        make_field(f"Question {place}", kinds[place % 7], order=place, **(chosen if place % 7 > 3 else {}))
        for place in range(200)
    ]
    template = MedicalRecordTemplateFactory(clinic=practitioner.clinic, fields=fields)
    staff.open(ADD, query=f"?patient={patient.pk}&template={template.pk}")
    assert staff.sees_the_whole_width()
    staff.write("#id_input_196", "Last")
    staff.click(".submit-row [type=submit]")
    assert answers(MedicalRecord.objects.get()) == {"Question 196": "Last"}
