"""Records in the admin: read as filled-in forms, found and filtered, and trashed with their photos."""

import re
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from clinic_project.clinics.factories import PatientFactory
from clinic_project.clinics.tests.admin_site import rows_of
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord

from ..retention import now_of_the_database
from .pages import change_url, delete_url, html_of, in_trash, list_url, restore_url

pytestmark = pytest.mark.django_db


def test_deleting_a_record_takes_its_photos_and_restoring_brings_back_those_alone(client, staff_member):
    record = MedicalRecordFactory(patient__clinic=staff_member.clinic)
    earlier = PatientPhotoFactory(patient=record.patient, medical_record=record, in_trash=True)
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record)

    client.post(delete_url(record), {"post": "yes"})
    assert in_trash(photo)

    client.post(restore_url(record))
    assert not in_trash(photo)
    assert in_trash(earlier)


def test_nobody_edits_a_snapshot_an_answer_or_an_author(client, superuser):
    record = MedicalRecordFactory()
    form = client.get(change_url(record)).context["adminform"].form
    assert list(form.fields) == []
    client.post(
        change_url(record),
        {
            "template_snapshot": "{}",
            "values": "{}",
            "created_by_user": superuser.pk,
            "template_name": "x",
            "version": 7,
        },
    )
    same = MedicalRecord.objects.get(pk=record.pk)
    assert same.template_snapshot == record.template_snapshot
    assert same.values == record.values
    assert same.created_by_user is None
    assert same.template_name == record.template_name


def test_a_record_is_shown_as_its_filled_in_form(client, staff_member):
    record = MedicalRecordFactory(patient__clinic=staff_member.clinic)
    page = client.get(change_url(record)).content.decode()
    assert "Chief complaint: nothing unusual" in page
    assert "14 Mar 2026" in page
    assert "Penicillin" in page
    assert "&quot;fields&quot;" not in page


@pytest.mark.parametrize("broken", [None, [], "text", 7, {"fields": None}, {"fields": [{"options": 3}, "x"]}])
def test_a_record_whose_json_is_no_form_is_shown_as_it_is(broken, client, superuser):
    record = MedicalRecordFactory(template_snapshot=broken or {}, values=broken or {})
    assert client.get(change_url(record)).status_code == 200


def test_records_are_found_by_their_patients_name(client, staff_member):
    wanted = MedicalRecordFactory(patient__clinic=staff_member.clinic, patient__full_name="Ada Lovelace")
    MedicalRecordFactory(patient__clinic=staff_member.clinic, patient__full_name="Charles Babbage")
    assert rows_of(client.get(list_url("medicalrecord"), {"q": "lovel"})) == [wanted]


def test_records_are_filtered_by_patient_template_clinic_and_date(client, staff_member):
    wanted = MedicalRecordFactory(patient__clinic=staff_member.clinic)
    MedicalRecordFactory(patient__clinic=staff_member.clinic)
    day = wanted.created_at
    for query in (
        {"patient": wanted.patient_id},
        {"template": wanted.template_id},
        {"patient": wanted.patient_id, "created_at__year": day.year, "created_at__month": day.month},
    ):
        assert rows_of(client.get(list_url("medicalrecord"), query)) == [wanted]
    assert rows_of(client.get(list_url("medicalrecord"), {"clinic": staff_member.clinic_id + 1})) == []
    assert rows_of(client.get(list_url("medicalrecord"), {"created_at__year": day.year - 1})) == []


def test_in_the_trash_a_record_and_a_photo_say_until_when_they_are_kept(client, staff_member):
    moment = datetime(timezone.now().year - 1, 3, 3, 12, tzinfo=UTC)
    patient = PatientFactory(clinic=staff_member.clinic, birthday=None)
    record = MedicalRecordFactory(patient=patient, created_at=moment, is_deleted=True, deleted_at=moment)
    photo = PatientPhotoFactory(
        patient=patient, medical_record=record, created_at=moment, is_deleted=True, deleted_at=moment
    )
    until = f"3 Mar {moment.year + settings.RETENTION_YEARS}"
    for row in (record, photo):
        assert f"To be kept until {until}" in client.get(change_url(row)).content.decode()
    over = moment.replace(year=2015)
    record = MedicalRecordFactory(patient=patient, created_at=over, is_deleted=True, deleted_at=over)
    page = client.get(change_url(record)).content.decode()
    assert "In the trash since 3 Mar 2015" in page
    assert "kept until" not in page


def test_who_moves_a_record_to_the_trash_is_told_how_long_it_stays(client, staff_member):
    record = MedicalRecordFactory(patient__clinic=staff_member.clinic, patient__birthday=None)
    year = now_of_the_database().year + settings.RETENTION_YEARS
    assert re.search(rf"kept there until \d+ \w+ {year}\.", client.get(delete_url(record)).content.decode())
    assert "kept there until" not in client.get(delete_url(record.template)).content.decode()


def test_where_the_database_does_not_know_until_when_the_page_says_what_to_do(client, superuser):
    record = MedicalRecordFactory(in_trash=True)
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION retention_ends(timestamptz, date)")
    response = client.get(change_url(record))
    assert response.status_code == 503
    assert "migrate" in response.content.decode()


def test_a_day_begins_at_the_clinics_midnight(client, superuser, settings):
    settings.TIME_ZONE = "Asia/Taipei"
    record = MedicalRecordFactory(created_at=datetime(2026, 3, 1, 16, 30, tzinfo=UTC))
    MedicalRecordFactory(created_at=datetime(2026, 3, 1, 15, 30, tzinfo=UTC))
    day = {"created_at__year": 2026, "created_at__month": 3, "created_at__day": 2}
    page = client.get(list_url("medicalrecord"), day)
    assert rows_of(page) == [record]
    assert "2 Mar 2026, 00:30" in html_of(page)
