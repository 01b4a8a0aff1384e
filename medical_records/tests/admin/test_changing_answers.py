"""The answers of a record are changed in the admin: until it is signed, then by an amendment; and by two at once."""

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from clinic_project.clinics.factories import AppointmentFactory, MembershipFactory, PatientFactory, UserFactory
from medical_records import services
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, make_field
from medical_records.models import MedicalRecord
from medical_records.signing import Signer, sign_record

from ..concurrency import in_parallel
from .filled_in import add_url, answers, answers_url, errors, sent
from .pages import change_url, html_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def record(staff_member):
    return record_of(
        staff_member.clinic,
        *(make_field("Pulse", "number", unit="bpm"), make_field("Note", "textarea"), make_field("Side")),
        Pulse=70,
        Note="Well",
        Side="Left",
    )


def record_of(clinic, *fields, **given):
    for order, field in enumerate(fields):
        field["order"] = order
    template = MedicalRecordTemplateFactory(clinic=clinic, fields=[*fields])
    values = {field["id"]: given.pop(field["label"]) for field in fields if field["label"] in given}
    return MedicalRecordFactory(patient__clinic=clinic, template=template, values=values | given)


def save(client, record, page=None, **typed):
    page = page or client.get(answers_url(record))
    return client.post(answers_url(record), sent(page, **typed))


def somebody_else_saves(record, **changed):
    current = MedicalRecord.objects.select_related("patient").get(pk=record.pk)
    ids = {field["label"]: field["id"] for field in record.template_snapshot["fields"]}
    values = current.values | {ids[label]: answer for label, answer in changed.items()}
    author = MembershipFactory(clinic=record.clinic).user
    services.change_record(current, [current.version], author, values=values)


def sign(record):
    sign_record(MedicalRecord.objects.all(), record.pk, [record.version], Signer(UserFactory(), "Noor Haddad"))
    record.refresh_from_db()


def test_answers_are_changed_and_taken_back(client, staff_member, record):
    assert answers_url(record) in html_of(client.get(change_url(record)))
    saved = save(client, record, Pulse="72.5", Note="")
    assert saved.headers["Location"] == change_url(record)
    assert answers(record) == {"Pulse": 72.5, "Side": "Left"}
    assert (record.version, record.updated_by_user) == (2, staff_member.user)


def test_what_wasnt_changed_makes_no_version(client, record):
    assert "Nothing was changed." in html_of(client.get(save(client, record).headers["Location"]))
    record.refresh_from_db()
    assert record.version == 1


@pytest.mark.parametrize("is_signed", [False, True])
def test_a_number_more_precise_than_pythons_is_kept_digit_by_digit(client, record, is_signed):
    pulse, _, side = record.template_snapshot["fields"]
    precise = "0.1234567890123456789012345"
    others = f'"else": [{precise}, 12345678901234567890123, 1e400]'
    of_another_program = f'{{"{pulse["id"]}": {precise}, "{side["id"]}": "Left", {others}}}'
    with connection.cursor() as cursor:
        cursor.execute("UPDATE medical_records SET values = %s WHERE id = %s", [of_another_program, record.pk])
    if is_signed:
        MedicalRecord.objects.filter(pk=record.pk).update(signed_at=timezone.now(), content_hash="0" * 64)
    response = save(client, record, Side="Right", **({"Why it is changed": "The other side"} if is_signed else {}))
    assert response.status_code == 302
    with connection.cursor() as cursor:
        cursor.execute("SELECT version, values::text FROM medical_records WHERE id = %s", [record.pk])
        version, stored = cursor.fetchone()
        cursor.execute("SELECT %s::jsonb::text", [of_another_program.replace("Left", "Right")])
        assert (version, stored) == (2, cursor.fetchone()[0])


def test_errors_keep_what_was_typed(client, record):
    page = save(client, record, Pulse="fast", Note="Better")
    assert errors(page) == {"Pulse": ["A number, such as 30 or 36.5."]}
    assert ">\nBetter</textarea>" in html_of(page)
    record.refresh_from_db()
    assert record.version == 1


def test_the_appointment_is_changed(client, record):
    appointment = AppointmentFactory(patient=record.patient)
    save(client, record, Appointment=str(appointment.pk))
    record.refresh_from_db()
    assert (record.appointment, record.version) == (appointment, 2)
    assert answers(record) == {"Pulse": 70, "Note": "Well", "Side": "Left"}
    save(client, record, Appointment="")
    record.refresh_from_db()
    assert (record.appointment, record.version) == (None, 3)


def test_what_other_programs_have_stored_stays(client, staff_member):
    """Answers to no question, of another type, of a question that can't be answered here, and texts of several lines."""
    record = record_of(
        staff_member.clinic,
        *(
            make_field("Pulse", "number"),
            make_field("Scale", "slider"),
            make_field("Line"),
            make_field("Side", "radio"),
        ),
        Pulse="about 70",
        Scale={"deep": [1]},
        Line="a\r\nb",
        Side="Middle",
        gone="Kept",
    )
    page = client.get(answers_url(record))
    for shown in ("about 70", "&quot;deep&quot;", "Middle", "&quot;gone&quot;: &quot;Kept&quot;"):
        assert shown in html_of(page)
    before = answers(record)
    save(client, record, page)
    assert (answers(record), record.version) == (before, 1)
    save(client, record, page, Pulse="70")
    assert (answers(record), record.version) == (before | {"Pulse": 70}, 2)


def test_what_another_program_has_made_of_a_record_is_only_read(client, record):
    for broken in ({"values": ["a"]}, {"template_snapshot": {"fields": "none"}}):
        MedicalRecord.objects.filter(pk=record.pk).update(**broken)
        assert answers_url(record) not in html_of(client.get(change_url(record)))
        led = client.get(answers_url(record), follow=True)
        assert "Its answers can only be read here." in html_of(led)
        assert client.post(answers_url(record), {"version": 1}).status_code == 302


# Signed


def test_what_is_signed_is_amended_with_a_reason(client, record):
    sign(record)
    page = client.get(answers_url(record))
    assert "This record is signed. If you save changes, they amend it: say why." in html_of(page)
    refused = save(client, record, page, Pulse="80")
    assert errors(refused) == {"Why it is changed": ["This field is required."]}
    assert client.post(answers_url(record), sent(refused, **{"Why it is changed": "Misread"})).status_code == 302
    assert answers(record)["Pulse"] == 80
    assert (record.version, record.signed_at, record.amendment_reason) == (3, None, "Misread")


def test_what_is_signed_while_the_form_is_open_asks_for_the_reason(client, record):
    page = client.get(answers_url(record))
    sign(record)
    asked = save(client, record, page, Pulse="80")
    assert asked.context["conflict"]
    assert "Why it is changed" in errors(asked)
    record.refresh_from_db()
    assert record.signed_at is not None
    assert client.post(answers_url(record), sent(asked, **{"Why it is changed": "Misread"})).status_code == 302
    assert (answers(record)["Pulse"], record.signed_at) == (80, None)


# What can't be changed


@pytest.mark.parametrize("state", ["in the trash", "in error", "of a deleted patient"])
def test_a_record_that_stays_as_it_is_says_why_and_keeps_what_was_typed(state, client, record):
    page = client.get(answers_url(record))
    if state == "in the trash":
        MedicalRecord.objects.filter(pk=record.pk).update(is_deleted=True)
    elif state == "in error":
        MedicalRecord.objects.filter(pk=record.pk).update(entered_in_error_at=record.created_at)
    else:
        type(record.patient).objects.filter(pk=record.patient_id).update(is_deleted=True)
    typed = save(client, record, page, Note="Long thoughts")
    assert [*errors(typed)] == [""]
    assert "Long thoughts" in html_of(typed)
    led = client.get(answers_url(record))
    assert led.headers["Location"] == change_url(record)
    assert answers_url(record) not in html_of(client.get(change_url(record)))
    assert answers(record)["Note"] == "Well"


def test_who_only_reads_cant(client, record):
    client.force_login(MembershipFactory(clinic=record.clinic, user__staff=True, reader=True).user)
    assert answers_url(record) not in html_of(client.get(change_url(record)))
    assert client.get(answers_url(record)).status_code == 403
    assert client.post(answers_url(record), {"version": 1}).status_code == 403


def test_another_clinics_record_is_as_if_it_werent_there(client, staff_member):
    record = MedicalRecordFactory(patient=PatientFactory())
    for response in (client.get(answers_url(record)), client.post(answers_url(record), {"version": 1})):
        assert response.status_code == 302
        assert response.headers["Location"] == "/admin/"
    record.refresh_from_db()
    assert record.version == 1


# Two at once


def test_two_versions_stand_beside_each_other_and_one_is_chosen(client, record):
    """Both answered Pulse, the other alone Note, and this one alone Side."""
    page = client.get(answers_url(record))
    somebody_else_saves(record, Pulse=90, Note="Better")
    met = save(client, record, page, Pulse="80", Side="Right")
    pulse, note, side = met.context["form"].rows
    assert (pulse.meanwhile.is_open, pulse.meanwhile.before, pulse.meanwhile.saved) == (True, "70 bpm", "90 bpm")
    assert (note.meanwhile.is_open, note.meanwhile.before, note.meanwhile.saved) == (False, "Well", "Better")
    assert side.meanwhile is None
    assert [row.input.value() for row in (pulse, note, side)] == ["80", "Better", "Right"]
    shown = html_of(met)
    assert "Somebody else has saved this record meanwhile" in shown
    assert f'name="{pulse.take_name}" value="saved"' in shown
    assert (answers(record)["Side"], record.version) == ("Left", 2)

    mine = sent(met)
    for taken, expected in (("typed", 80), ("saved", 90)):
        MedicalRecord.objects.filter(pk=record.pk).update(version=2)
        assert client.post(answers_url(record), {**mine, pulse.take_name: taken}).status_code == 302
        assert answers(record) == {"Pulse": expected, "Note": "Better", "Side": "Right"}
        somebody_else_saves(record, Pulse=90)


def test_an_error_in_ones_own_answer_is_of_no_account_where_the_others_is_taken(client, record):
    page = client.get(answers_url(record))
    somebody_else_saves(record, Pulse=90)
    met = save(client, record, page, Pulse="fast", Side="Right")
    assert [*errors(met)] == ["Pulse"]
    pulse = next(iter(met.context["form"].rows))
    assert client.post(answers_url(record), {**sent(met), pulse.take_name: "saved"}).status_code == 302
    assert answers(record) == {"Pulse": 90, "Note": "Well", "Side": "Right"}


def test_both_have_said_the_same(client, record):
    page = client.get(answers_url(record))
    somebody_else_saves(record, Pulse=80)
    met = save(client, record, page, Pulse="80")
    assert "None of the answers differ." in html_of(met)
    save(client, record, met)
    record.refresh_from_db()
    assert record.version == 2


def test_what_another_program_stores_meanwhile_is_shown_as_it_is(client, record):
    page = client.get(answers_url(record))
    pulse = record.template_snapshot["fields"][0]["id"]
    MedicalRecord.objects.filter(pk=record.pk).update(values={pulse: "fast"}, version=2)
    met = save(client, record, page, Pulse="80")
    states = [
        (row.label, row.meanwhile.before, row.meanwhile.saved) for row in met.context["form"].rows if row.meanwhile
    ]
    assert states == [("Pulse", "70 bpm", "fast bpm"), ("Note", "Well", ""), ("Side", "Left", "")]
    row = next(iter(met.context["form"].rows))
    assert client.post(answers_url(record), {**sent(met), row.take_name: "saved"}).status_code == 302
    assert (answers(record), record.version) == ({"Pulse": "fast"}, 2)


def test_where_the_history_doesnt_know_the_version_every_difference_is_chosen(client, record):
    page = client.get(answers_url(record))
    somebody_else_saves(record, Pulse=90)
    met = client.post(answers_url(record), sent(page, Note="Better") | {"version": "x"})
    states = [row.meanwhile and row.meanwhile.is_open for row in met.context["form"].rows]
    assert states == [True, True, None]
    assert "Before:" not in html_of(met)


def test_a_third_version_meets_the_choice_again(client, record):
    page = client.get(answers_url(record))
    somebody_else_saves(record, Pulse=90)
    met = save(client, record, page, Pulse="80")
    pulse = next(iter(met.context["form"].rows))
    somebody_else_saves(record, Pulse=100, Side="Right")
    again = client.post(answers_url(record), {**sent(met), pulse.take_name: "typed"})
    pulse, _, side = again.context["form"].rows
    assert (pulse.meanwhile.before, pulse.meanwhile.saved, pulse.input.value()) == ("90 bpm", "100 bpm", "80")
    assert (side.meanwhile.is_open, side.input.value()) == (False, "Right")


def test_two_appointments_of_one_record_are_chosen_from(client, record):
    mine, theirs = (AppointmentFactory(patient=record.patient) for _ in range(2))
    page = client.get(answers_url(record))
    current = MedicalRecord.objects.select_related("patient").get(pk=record.pk)
    services.change_record(current, [1], UserFactory(), appointment_id=theirs.pk)
    met = save(client, record, page, Appointment=str(mine.pk))
    row = [*met.context["form"].rows][-1]
    assert (row.meanwhile.is_open, row.meanwhile.before, row.input.value()) == (True, "None", str(mine.pk))
    assert client.post(answers_url(record), {**sent(met), row.take_name: "typed"}).status_code == 302
    record.refresh_from_db()
    assert record.appointment == mine


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_two_who_save_at_once_one_is_asked(record):
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(MembershipFactory(clinic=record.clinic, user__staff=True).user)
    forms = [sent(client.get(answers_url(record)), Pulse=str(80 + place)) for place, client in enumerate(clients)]
    responses = in_parallel(lambda place: clients[place].post(answers_url(record), forms[place]), 2)
    assert sorted(response.status_code for response in responses) == [200, 302]
    saved = [response.status_code for response in responses].index(302)
    assert (answers(record)["Pulse"], record.version) == (80 + saved, 2)
    [asked] = [response for response in responses if response.status_code == 200]
    assert [*asked.context["form"].meanwhile] == [f"answer-{record.template_snapshot['fields'][0]['id']}"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_two_clicks_at_once_one_makes_a_record(record):
    user = MembershipFactory(clinic=record.clinic, user__staff=True).user
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(user)
    url = add_url(record.patient, record.template)
    form = sent(clients[0].get(url), Pulse="80")
    responses = in_parallel(lambda place: clients[place].post(url, form), 2)
    made = MedicalRecord.objects.exclude(pk=record.pk).get()
    assert [response.headers["Location"] for response in responses] == [change_url(made)] * 2
