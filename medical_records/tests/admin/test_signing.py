"""Signing in the admin: by forms of a record's page, which those with a role have."""

import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from clinic_project.clinics.factories import MembershipFactory
from clinic_project.clinics.tests.admin_site import rows_of
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord

from .pages import change_url, delete_url, file_url, html_of, in_trash, list_url, sign, sign_url

pytestmark = pytest.mark.django_db


@pytest.fixture
def record(staff_member):
    return MedicalRecordFactory(patient__clinic=staff_member.clinic)


def post(client, record, view, **body):
    """Send a form of the record's page, or sign it by the page that asks; return the page that this leads to."""
    if view == "sign":
        response = sign(client, record, **{"incomplete": "", **body})
    else:
        url = reverse(f"admin:medical_records_medicalrecord_{view}", args=[record.pk])
        response = client.post(url, {"version": record.version, **body})
    record.refresh_from_db()
    return client.get(response.url) if response.status_code == 302 else response


def test_a_practitioner_signs_amends_and_signs_again(client, staff_member, record):
    page = post(client, record, "sign")
    assert (record.version, record.signed_by_user_id, record.signed_by_name) == (
        *(2, staff_member.user_id),
        staff_member.full_name,
    )
    assert record.content_hash in html_of(page)
    assert f"by {staff_member.full_name} on" in html_of(page)

    page = post(client, record, "amend", reason="The left knee")
    assert (record.version, record.signed_at, record.amendment_reason) == (3, None, "The left knee")
    assert "The left knee" in html_of(page)
    assert "Not signed" in html_of(page)
    post(client, record, "sign")
    assert record.version == 4


def test_what_is_signed_isnt_moved_to_the_trash_before_it_is_amended(client, record):
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record)
    assert delete_url(photo) in html_of(client.get(change_url(photo)))
    post(client, record, "sign")
    assert delete_url(photo) not in html_of(client.get(change_url(photo)))
    assert delete_url(record) not in html_of(client.get(change_url(record)))
    assert client.post(delete_url(record), {"post": "yes"}).status_code == 403
    action = {"action": "move_to_trash", "post": "yes", "_selected_action": [record.pk]}
    assert "The record is signed." in html_of(client.post(list_url("medicalrecord"), action, follow=True))
    assert "The record is signed." in html_of(client.post(delete_url(photo), {"post": "yes"}, follow=True))
    assert not in_trash(record)
    assert not in_trash(photo)
    post(client, record, "amend", reason="Another patient's")
    client.post(delete_url(record), {"post": "yes"})
    assert in_trash(record)


def test_a_record_that_lacks_answers_is_signed_as_incomplete(client, record):
    MedicalRecord.objects.update(values={})
    assert "Sign although answers are missing: Chief complaint" in html_of(client.get(sign_url(record)))
    page = html_of(post(client, record, "sign"))
    assert "Required fields have no answer." in page
    assert "Nothing was signed." in page
    assert record.signed_at is None
    post(client, record, "sign", incomplete="on")
    assert record.signed_at is not None


def test_what_was_entered_in_error_is_marked_left_out_of_lists_and_taken_back(client, record):
    page = post(client, record, "enter_in_error", reason="Another patient's")
    assert "Another patient&#x27;s" in html_of(page)
    assert rows_of(client.get(list_url("medicalrecord"))) == []
    assert rows_of(client.get(list_url("medicalrecord"), {"error": "only"})) == [record]
    assert rows_of(client.get(list_url("medicalrecord"), {"error": "with"})) == [record]
    assert rows_of(client.get(list_url("medicalrecord"), {"trash": "with"})) == [record]
    patient = client.get(reverse("admin:clinics_patient_change", args=[record.patient_id]))
    assert "Records (0)" in html_of(patient)
    assert "Entered in error: 1" in html_of(patient)
    post(client, record, "undo_error")
    assert rows_of(client.get(list_url("medicalrecord"))) == [record]


def test_lists_say_what_is_signed_and_find_what_isnt(client, record, staff_member):
    post(client, record, "sign")
    late, new = MedicalRecordFactory.create_batch(2, patient__clinic=staff_member.clinic)
    MedicalRecord.objects.filter(pk=late.pk).update(updated_at=F("updated_at") - dt.timedelta(hours=25))
    MedicalRecordFactory(patient__clinic=staff_member.clinic, entered_in_error_at=timezone.now())
    page = html_of(client.get(list_url("medicalrecord"), {"error": "with"}))
    for state in ("Signed", "Overdue", "Not signed", "Entered in error"):
        assert f'class="field-state">{state}</td>' in page
    assert set(rows_of(client.get(list_url("medicalrecord"), {"signature": "unsigned"}))) == {late, new}
    assert rows_of(client.get(list_url("medicalrecord"), {"signature": "overdue"})) == [late]
    assert rows_of(client.get(list_url("medicalrecord"), {"signature": "signed"})) == [record]
    assert "Nobody has signed it in the 24 hours" in html_of(client.get(change_url(late)))


def test_a_reason_is_asked_for(client, record):
    for reason in ({}, {"reason": " "}, {"reason": "x" * 2001}):
        assert "Say why, in at most 2,000 characters." in html_of(post(client, record, "enter_in_error", **reason))
    post(client, record, "sign")
    assert "Say why, in at most 2,000 characters." in html_of(post(client, record, "amend"))
    assert record.version == 2


def test_the_page_that_asks_shows_what_is_signed_and_by_whom(client, staff_member, record):
    on_it = PatientPhotoFactory(patient=record.patient, medical_record=record)
    pending = PatientPhotoFactory(patient=record.patient, medical_record=record, is_pending=True)
    assert sign_url(record) in html_of(client.get(change_url(record)))
    page = html_of(client.get(sign_url(record)))
    assert f"Sign this record as {staff_member.full_name}?" in page
    assert "Nobody can change it after that" in page
    assert record.patient.full_name in page
    assert "Chief complaint" in page
    assert file_url(on_it) in page
    assert file_url(pending) not in page
    record.refresh_from_db()
    assert record.signed_at is None


@pytest.mark.parametrize("change", [{"version": 7}, {"values": {"other": "program"}}, {"template_name": "Renamed"}])
def test_what_has_been_changed_since_it_was_read_isnt_signed(client, record, change):
    """Another program may leave the version as it is."""
    shown = dict(client.get(sign_url(record)).context["form"].initial)
    MedicalRecord.objects.update(**change)
    response = client.post(sign_url(record), {"incomplete": "on", **shown})
    page = html_of(client.get(response.url))
    assert response.url == sign_url(record)
    assert "It has been changed since you read it." in page
    assert "Nothing was signed. This is the record as it is now." in page
    record.refresh_from_db()
    assert record.signed_at is None
    sign(client, record)
    record.refresh_from_db()
    assert record.signed_at is not None


def test_a_photo_that_came_to_it_since_it_was_read_isnt_signed(client, record):
    shown = dict(client.get(sign_url(record)).context["form"].initial)
    PatientPhotoFactory(patient=record.patient, medical_record=record)
    assert client.post(sign_url(record), {"incomplete": "on", **shown}).url == sign_url(record)
    record.refresh_from_db()
    assert record.signed_at is None


def test_nothing_is_signed_by_a_form_that_showed_nothing(client, record):
    page = client.post(sign_url(record), {"version": record.version, "incomplete": "on"}, follow=True)
    assert "Nothing was signed." in html_of(page)
    record.refresh_from_db()
    assert record.signed_at is None


def test_a_second_click_signs_nothing_more(client, record):
    shown = dict(client.get(sign_url(record)).context["form"].initial)
    for _ in range(2):
        page = html_of(client.post(sign_url(record), {"incomplete": "on", **shown}, follow=True))
        assert '<li class="success">Signed.</li>' in page
        assert '<li class="error">' not in page
    record.refresh_from_db()
    assert record.version == 2
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Signed."]


def test_what_cant_be_signed_isnt_asked_about(client, record):
    sign(client, record)
    page = client.get(sign_url(record), follow=True)
    assert page.redirect_chain == [(change_url(record), 302)]
    assert "The record is signed." in html_of(page)
    assert sign_url(record) not in html_of(page)
    trashed = MedicalRecordFactory(patient=record.patient, in_trash=True)
    assert "It is in the trash." in html_of(client.get(sign_url(trashed), follow=True))
    number = MedicalRecordFactory(patient=record.patient)
    with connection.cursor() as cursor:
        raw = '{"a": 12345678901234567890.5}'
        cursor.execute("UPDATE medical_records SET values = %s WHERE id = %s", [raw, number.pk])
    assert "too large or too precise for a signature" in html_of(client.get(sign_url(number), follow=True))


def test_who_has_no_role_there_reads_and_another_clinics_record_isnt_there(client, record):
    client.force_login(MembershipFactory(clinic=record.clinic, user__staff=True, roles=[]).user)
    page = client.get(change_url(record))
    assert "Not signed" in html_of(page)
    assert 'class="notice signing"' not in html_of(page)
    for send in (client.get, client.post):
        assert send(sign_url(record)).status_code == 403
    client.force_login(MembershipFactory(user__staff=True).user)
    for send in (client.get, client.post):
        assert "Perhaps it was deleted?" in html_of(send(sign_url(record), follow=True))
    assert client.get(reverse("admin:medical_records_medicalrecord_amend", args=[record.pk])).status_code == 405
    record.refresh_from_db()
    assert record.signed_at is None


def test_a_superuser_who_is_no_member_signs_by_the_beginning_of_their_email(client, superuser):
    record = MedicalRecordFactory()
    post(client, record, "sign")
    assert record.signed_by_name == superuser.email.partition("@")[0]


def test_the_history_shows_it_and_the_record_as_it_was_signed(client, staff_member, record):
    post(client, record, "sign")
    signed_hash = record.content_hash
    post(client, record, "amend", reason="The left knee")
    post(client, record, "enter_in_error", reason="Another patient's")
    history = html_of(client.get(reverse("admin:medical_records_medicalrecord_history", args=[record.pk])))
    for said in ("Signed", "Amended", "Reason: The left knee", "Entered in error"):
        assert said in history
    state = client.get(reverse("admin:medical_records_medicalrecord_state", args=[record.pk, 2]))
    assert signed_hash not in history
    assert signed_hash in html_of(state)
    assert f"by {staff_member.full_name} on" in html_of(state)


def test_the_history_tells_of_signatures_and_marks_in_a_line_each(client, staff_member, record):
    post(client, record, "sign")
    post(client, record, "amend", reason="The left knee")
    post(client, record, "enter_in_error", reason="Another patient's")
    post(client, record, "undo_error")
    page = client.get(reverse("admin:medical_records_medicalrecord_history", args=[record.pk]))
    undone, marked, amended, signed, _ = page.context["changes"]
    assert [change.action for change in (undone, marked, amended, signed)] == [
        "No longer entered in error",
        "Entered in error",
        "Amended",
        "Signed",
    ]

    def told(change) -> list[tuple[str, str, str]]:
        return [(value.label, value.before, value.after) for value in change.values]

    ((label, nothing, signature),) = told(signed)
    assert (label, nothing) == ("Signature", "")
    assert signature.startswith(f"Signed by {staff_member.full_name}, ")
    assert told(amended) == [("Signature", signature, "")]
    ((label, nothing, mark),) = told(marked)
    assert (label, nothing) == ("Entered in error", "")
    assert mark.startswith(f"Marked by {staff_member.full_name}, ")
    assert told(undone) == [("Entered in error", mark, "")]
    assert (amended.change.reason, marked.change.reason) == ("The left knee", "Another patient's")


def test_the_history_names_who_signed_by_no_email(client, record):
    MedicalRecord.objects.filter(pk=record.pk).update(signed_at=timezone.now(), signed_by_name="ada@clinic.example")
    page = client.get(reverse("admin:medical_records_medicalrecord_history", args=[record.pk]))
    assert "Signed by ada, " in html_of(page)
    assert "ada@clinic.example" not in html_of(page)
