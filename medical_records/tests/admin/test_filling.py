"""A record is filled in, in the admin: for a patient, from a template, by the questions of that."""

import pytest
from django.urls import reverse

from clinic_project.api.models import IdempotencyKey
from clinic_project.audit.models import Access
from clinic_project.clinics.factories import (
    AppointmentFactory,
    ClinicFactory,
    MembershipFactory,
    PatientFactory,
    UserFactory,
)
from clinic_project.clinics.tests.clients import client_of
from medical_records.factories import MedicalRecordTemplateFactory, every_field_type, make_field
from medical_records.models import MedicalRecord, MedicalRecordTemplate

from .filled_in import add_url, answers, errors, sent
from .pages import change_url, html_of, list_url, patient_url

pytestmark = pytest.mark.django_db

EVERY_ANSWER = {
    "Chief complaint": "Headache",
    "History": "Since Monday.\r\nWorse at night.",
    "Temperature (°C)": "37.5",
    "Onset": "2026-03-14",
    "Severity": "Mild",
    "Side": "Right",
    "Allergies": ["Pollen", "Latex"],
}
PULSE = {"unit": "bpm", "min": 30, "max": 220}


@pytest.fixture
def patient(staff_member):
    return PatientFactory(clinic=staff_member.clinic, full_name="Grace Hopper")


@pytest.fixture
def template(staff_member):
    return MedicalRecordTemplateFactory(clinic=staff_member.clinic, name="First visit")


def template_of(patient, *fields):
    return MedicalRecordTemplateFactory(clinic=patient.clinic, fields=list(fields))


def wide(text: str) -> str:
    """Return digits and signs as Chinese keyboards write them."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


def fill_in(client, patient, template, **typed):
    """Open the form, type what is given by labels, and save."""
    url = add_url(patient, template)
    return client.post(url, sent(client.get(url), **typed))


def test_every_type_of_question_is_answered(client, staff_member, patient, template):
    saved = fill_in(client, patient, template, **EVERY_ANSWER)
    record = MedicalRecord.objects.get()
    assert saved.headers["Location"] == change_url(record)
    assert answers(record) == {
        **EVERY_ANSWER,
        "History": "Since Monday.\nWorse at night.",
        "Temperature (°C)": 37.5,
        # In the order in which they are offered.
        "Allergies": ["Latex", "Pollen"],
    }
    assert (record.patient, record.template, record.clinic) == (patient, template, staff_member.clinic)
    assert (record.created_by_user, record.template_name, record.version) == (staff_member.user, "First visit", 1)
    assert record.template_snapshot["fields"] == template.fields


def test_what_is_left_blank_is_not_answered_and_what_is_required_is_named(client, patient, template):
    saved = fill_in(client, patient, template, History="  ")
    record = MedicalRecord.objects.get()
    assert record.values == {}
    assert "A required answer is missing: Chief complaint" in html_of(client.get(saved.headers["Location"]))


def test_errors_stand_at_their_questions_and_what_was_typed_stays(client, patient):
    template = template_of(
        patient, make_field("Pulse", "number", **PULSE), make_field("Note"), make_field("On", "date")
    )
    page = fill_in(client, patient, template, Pulse="20", Note="x" * 20_001, On="2026-02-30")
    assert errors(page) == {
        "Pulse": ["A number from 30 to 220 bpm."],
        "Note": ["At most 20000 characters."],
        "On": ["A date, as YYYY-MM-DD."],
    }
    shown = html_of(page)
    assert 'value="20"' in shown
    assert f'value="{"x" * 20_001}"' in shown
    first = page.context["form"].rows_with_errors[0].anchor
    assert f'<a href="#{first}">Pulse</a>' in shown
    assert f'id="{first}"' in shown
    assert f'id="{first}_error"' in shown
    assert not MedicalRecord.objects.exists()
    corrected = sent(page, Pulse=wide("70"), Note="Well", On="")
    assert client.post(add_url(patient, template), corrected).status_code == 302
    assert answers(MedicalRecord.objects.get()) == {"Pulse": 70, "Note": "Well"}


def test_what_is_no_number_and_no_option_is_said_at_the_question(client, patient, template):
    page = fill_in(client, patient, template, Severity="Deadly", **{"Temperature (°C)": "37,5", "Allergies": ["Dust"]})
    assert errors(page)["Temperature (°C)"] == ["A number, such as 30 or 36.5."]
    assert set(errors(page)) == {"Temperature (°C)", "Severity", "Allergies"}


def test_a_question_says_what_it_expects(client, staff_member, patient):
    template = template_of(
        patient,
        make_field("Pulse", "number", required=True, description="At rest", placeholder="70", **PULSE),
        make_field("Side", "radio", options=["Left"]),
        make_field("Agreed", "dropdown", options=["Yes"]),
    )
    page = html_of(client.get(add_url(patient, template)))
    assert f'data-draft="record/{patient.pk}+{template.pk}"' in page
    assert "At rest<br>From 30 to 220 bpm" in page
    assert 'placeholder="70"' in page
    assert page.count("required-mark") == 1
    assert page.count("Not answered") == 2


def test_a_template_without_questions_is_saved(client, patient):
    template = template_of(patient)
    assert "This template has no questions." in html_of(client.get(add_url(patient, template)))
    assert fill_in(client, patient, template).status_code == 302
    assert MedicalRecord.objects.get().values == {}


def test_an_option_may_have_lines_and_an_id_anything(client, patient):
    odd = {**make_field("Odd", "dropdown", options=["One\nand more", "Two"]), "id": 'a "b" <c>'}
    fill_in(client, patient, template_of(patient, odd), Odd="One\r\nand more")
    assert answers(MedicalRecord.objects.get()) == {"Odd": "One\nand more"}


def test_what_another_program_made_a_question_is_shown_and_cant_be_answered(client, patient):
    template = template_of(patient, {"label": "No id", "type": "text"}, {**make_field("Scale", "slider")}, "what")
    page = client.get(add_url(patient, template))
    assert [(row.label, row.input) for row in page.context["form"].rows] == [("Scale", None), ("No id", None)]
    assert html_of(page).count("It can't be answered here.") == 2
    assert client.post(add_url(patient, template), sent(page)).status_code == 302


def test_a_record_is_made_for_an_appointment_of_the_patient(client, patient, template):
    appointment, others = AppointmentFactory(patient=patient), AppointmentFactory()
    page = fill_in(client, patient, template, Appointment=str(others.pk))
    assert [*errors(page)] == ["Appointment"]
    fill_in(client, patient, template, Appointment=str(appointment.pk))
    assert MedicalRecord.objects.get().appointment == appointment


def test_photos_are_added_to_a_record_that_was_saved(client, patient, template):
    url = add_url(patient, template)
    page = client.get(url)
    assert 'name="_addphotos"' in html_of(page)
    saved = client.post(url, {**sent(page), "_addphotos": "Save and add photos"})
    record = MedicalRecord.objects.get()
    assert saved.headers["Location"] == reverse("admin:medical_records_medicalrecord_photos", args=[record.pk])
    assert "Saved." in html_of(client.get(saved.headers["Location"]))


# Twice


def test_a_double_click_makes_one_record(client, patient, template):
    url = add_url(patient, template)
    data = sent(client.get(url), **EVERY_ANSWER)
    first, second = client.post(url, data), client.post(url, data)
    assert first.headers["Location"] == second.headers["Location"]
    assert MedicalRecord.objects.count() == 1


def test_who_goes_back_and_saves_other_answers_is_asked(client, patient, template):
    url = add_url(patient, template)
    page = client.get(url)
    client.post(url, sent(page))
    record = MedicalRecord.objects.get()
    again = client.post(url, sent(page, History="More"))
    assert MedicalRecord.objects.get() == record
    assert f'<a href="{change_url(record)}">a record</a>' in errors(again)[""][0]
    assert client.post(url, sent(again)).status_code == 302
    assert [answers(record) for record in MedicalRecord.objects.order_by("pk")] == [{}, {"History": "More"}]


def test_no_key_of_the_api_is_taken_for_a_forms(client, staff_member, patient, template):
    url = add_url(patient, template)
    data = sent(client.get(url))
    path = f"/api/clinic/patients/{patient.pk}/medical-records"
    body = {"template_id": template.pk, "values": {}}
    taken = client_of(staff_member).post(path, body, headers={"Idempotency-Key": f"admin {data['key']}"})
    assert (taken.status_code, client.post(url, data).status_code) == (201, 302)
    assert MedicalRecord.objects.count() == 2


def test_a_form_that_was_not_saved_leaves_no_key(client, patient, template):
    fill_in(client, patient, template, **{"Temperature (°C)": "warm"})
    assert not IdempotencyKey.objects.exists()


# What changes while the form is open


def test_a_template_that_was_changed_meanwhile_is_read_again(client, patient):
    template = template_of(patient, make_field("Pulse", "number", order=0), make_field("Gone", "textarea", order=1))
    url = add_url(patient, template)
    page = client.get(url)
    pulse, gone = template.fields
    MedicalRecordTemplate.objects.change(
        template.pk, [1], UserFactory(), fields=[{**pulse, "label": "Pulse at rest"}, make_field("New", order=2)]
    )
    again = client.post(url, sent(page, Pulse="70", Gone="Nothing\r\nmore"))
    assert "The template has been changed meanwhile." in errors(again)[""][0]
    assert [(str(row.label), row.input.value()) for row in again.context["form"].rows] == [
        ("Pulse at rest", "70"),
        ("New", None),
    ]
    assert again.context["form"].leftovers == [(f"answer-{gone['id']}", "Gone", ["Nothing\r\nmore"])]
    assert "They won't be saved." in html_of(again)
    assert client.post(url, sent(again)).status_code == 302
    assert answers(MedicalRecord.objects.get()) == {"Pulse at rest": 70}


@pytest.mark.parametrize("gone", ["patient", "template"])
def test_what_went_to_the_trash_meanwhile_is_said_on_the_form(gone, client, patient, template):
    url = add_url(patient, template)
    data = sent(client.get(url), History="Long")
    obj = {"patient": patient, "template": template}[gone]
    type(obj)._default_manager.filter(pk=obj.pk).update(is_deleted=True)
    page = client.post(url, data)
    assert [*errors(page)] == [""]
    assert ">\nLong</textarea>" in html_of(page)
    assert "is in the trash. Choose another." in html_of(client.get(url))
    assert not MedicalRecord.objects.exists()


def test_what_no_form_sends_does_no_harm(client, patient, template):
    url = add_url(patient, template)
    data = sent(client.get(url), History="a\0b", Severity="\0", Allergies=["\0"])
    page = client.post(url, {**data, "key": "\0" * 300, "version": "9" * 300, "answer-\0": "\0"})
    assert {*errors(page)} == {"", "History", "Severity", "Allergies"}
    for query in ({"q": "\0"}, {"q": "\0a"}, {"q": "9999-99-99"}, {"patient": "\0", "template": "9" * 99}):
        assert client.get(add_url(), query).status_code == 200


# Choosing


def test_a_patient_is_found_by_name_phone_and_birthday(client, patient, django_assert_max_num_queries):
    patient.phone_number, patient.birthday = "+886 912-345 678", "1990-03-05"
    patient.save()
    PatientFactory(clinic=patient.clinic, full_name="Ada", phone_number="1", birthday="1815-12-10")
    PatientFactory(clinic=patient.clinic, full_name="Grace, gone", is_deleted=True)
    PatientFactory(full_name="Grace of another clinic")
    texts = (
        "grace",
        "12 345",
        "0912 (345)",
        "1990-3-5",
        "1990/03/05",
        "19900305",
        "5.3.1990",
        "3/5/1990",
        wide("1990/3/5"),
    )
    found = {text: client.get(add_url(q=text)).context["found"].rows for text in texts}
    assert found == {text: [] if text.startswith("0912") else [patient] for text in texts}
    with django_assert_max_num_queries(6):
        page = html_of(client.get(add_url(q="grace")))
    assert f'href="?patient={patient.pk}"' in page
    assert "5 Mar 1990 (" in page
    assert "+886 912-345 678" in page


def test_then_the_template_is_chosen_among_those_of_the_clinic(client, patient, template):
    MedicalRecordTemplateFactory(clinic=patient.clinic, in_trash=True)
    MedicalRecordTemplateFactory()
    page = client.get(add_url(patient))
    assert page.context["found"].rows == [template]
    assert f'href="?patient={patient.pk}&amp;template={template.pk}"' in html_of(page)
    assert client.get(add_url(patient, q="nothing like it")).context["found"].rows == []


def test_the_pages_of_a_patient_and_a_template_lead_there(client, patient, template):
    assert f'href="{add_url(patient)}"' in html_of(client.get(patient_url(patient)))
    assert f'href="{add_url(template=template)}"' in html_of(client.get(change_url(template)))
    assert f'href="{add_url()}"' in html_of(client.get(list_url("medicalrecord")))


def test_whose_records_somebody_writes_elsewhere_arent_found_here(client, staff_member, patient, template):
    """A member of two clinics chooses a patient of one, and the templates are that one's."""
    other = MembershipFactory(user=staff_member.user, reader=True).clinic
    read_only = PatientFactory(clinic=other, full_name="Grace, where nothing is written")
    assert client.get(add_url(q="grace")).context["found"].rows == [patient]
    for chosen in (add_url(read_only, template), add_url(PatientFactory(), template), add_url("x", template)):
        page = client.get(chosen)
        assert "What the link has chosen isn't there." in html_of(page)
        assert client.post(chosen, {}).status_code == 200
    strange = MedicalRecordTemplateFactory()
    assert "What the link has chosen isn't there." in html_of(client.get(add_url(patient, strange)))
    assert not MedicalRecord.objects.exists()


def test_a_superuser_chooses_among_all_clinics(client, superuser):
    patient, _ = PatientFactory(full_name="Grace Hopper", birthday="1906-12-09"), ClinicFactory()
    template = template_of(patient, make_field("Pulse", "number"))
    for text in ("grace", "1906-12-09"):
        assert client.get(add_url(q=text)).context["found"].rows == [patient]
    assert patient.clinic.name in html_of(client.get(add_url(q="grace")))
    assert client.get(add_url(template=template, q="hopper")).context["found"].rows == [patient]
    fill_in(client, patient, template, Pulse="70")
    assert answers(MedicalRecord.objects.get()) == {"Pulse": 70}


def test_who_only_reads_cant(client, patient, template):
    reader = MembershipFactory(clinic=patient.clinic, user__staff=True, reader=True)
    client.force_login(reader.user)
    assert client.get(add_url(patient, template)).status_code == 403
    assert client.post(add_url(patient, template), {}).status_code == 403
    for url in (patient_url(patient), change_url(template), list_url("medicalrecord")):
        assert add_url() not in html_of(client.get(url))


def test_who_looked_at_the_patient_is_noted(client, patient, template):
    client.get(add_url(q="grace"))
    assert not Access.objects.exists()
    client.get(add_url(patient))
    client.get(add_url(patient, template))
    assert [(access.action, access.patient_ids) for access in Access.objects.all()] == [("view", [patient.pk])] * 2
    refused = client.get(add_url(patient, template), headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403


@pytest.mark.slow
def test_many_questions_take_few_queries(client, patient, django_assert_max_num_queries):
    fields = [
        make_field(f"{field['label']} {place}", order=place, **_others(field)) for place, field in enumerate(many())
    ]
    template = template_of(patient, *fields)
    url = add_url(patient, template)
    page = client.get(url)
    assert len([*page.context["form"].rows]) == 200
    with django_assert_max_num_queries(22):
        assert client.post(url, sent(page, **{"Chief complaint 0": "Headache"})).status_code == 302


def many() -> list[dict]:
    return [field for _ in range(29) for field in every_field_type()][:200]


def _others(field: dict) -> dict:
    return {"field_type": field["type"], **{name: field[name] for name in ("required", "options") if name in field}}
