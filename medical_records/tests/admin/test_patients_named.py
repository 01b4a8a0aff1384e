"""The patient is named wherever something is done to one, with what tells them from others of that name."""

import re
from datetime import date

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from clinic_project.clinics.factories import PatientFactory
from clinic_project.clinics.models import Patient
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, PatientPhoto

from .pages import change_url, delete_url, html_of, in_trash, list_url, patient_url, restore_url, sign_url

pytestmark = pytest.mark.django_db

NAME = "王小明"
BORN = date(1980, 3, 2)


@pytest.fixture
def patient(clinic_admin, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.localdate", lambda: date(2026, 3, 1))
    return PatientFactory.create(clinic=clinic_admin.clinic, full_name=NAME, birthday=BORN)


@pytest.fixture
def record(patient):
    return MedicalRecordFactory.create(patient=patient, template_name="Visit")


@pytest.fixture
def photo(record):
    return PatientPhotoFactory.create(patient=record.patient, medical_record=record, description="Left knee")


def text(response) -> str:
    return " ".join(strip_tags(html_of(response).replace("<", " <")).split())


def title(response) -> str:
    return html_of(response).partition("<title>")[2].partition("</title>")[0].strip()


def breadcrumbs(response) -> str:
    crumbs = html_of(response).partition('<div class="breadcrumbs">')[2].partition("</div>")[0]
    return " ".join(strip_tags(crumbs).split())


def pages() -> list[tuple[type[Model], str]]:
    found: list[tuple[type[Model], str]] = []
    models: tuple[type[Model], ...] = (Patient, MedicalRecord, PatientPhoto)
    for model in models:
        own = f"{model._meta.app_label}_{model._meta.model_name}_"
        names = {str(pattern.name).removeprefix(own) for pattern in admin.site._registry[model].urls}
        found += [
            (model, name)
            for name in sorted(names & {"change", "delete", "history", "state", "who_looked", "export", "sign"})
        ]
    return found


@pytest.mark.parametrize(("model", "page"), pages())
def test_the_title_the_breadcrumbs_and_the_page_name_the_patient(model, page, client, patient, record, photo):
    obj = {Patient: patient, MedicalRecord: record, PatientPhoto: photo}[model]
    args = [obj.pk, 1] if page == "state" else [obj.pk]
    response = client.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args))
    if page != "delete":
        assert NAME in title(response)
    assert NAME in breadcrumbs(response)
    assert "born 2 Mar 1980 (45)" in text(response)


def test_what_a_patient_in_the_trash_has_says_so_and_offers_no_change(client, patient, record):
    assert "In the trash" not in text(client.get(change_url(record)))
    client.post(patient_url(patient, "delete"), {"post": "yes"}, follow=True)
    page = html_of(client.get(change_url(record)))
    assert '<strong class="patient-in-trash">In the trash</strong>' in page
    assert 'class="notice signing"' not in page


def test_lists_say_how_old_a_patient_is(client, photo):
    for model in ("medicalrecord", "patientphoto"):
        assert f"{NAME} 2 Mar 1980 (45)" in text(client.get(list_url(model)))
    assert "2 Mar 1980 (45)" in text(client.get(reverse("admin:clinics_patient_changelist")))


def test_a_patient_without_a_birthday_is_named_as_such(client, patient):
    Patient.objects.update(birthday=None)
    assert title(client.get(patient_url(patient))).startswith(f"{NAME}, birthday not known")


@pytest.mark.parametrize(("count", "said"), [(0, ""), (1, ", and its photo,"), (3, ", and its 3 photos,")])
def test_moving_a_record_to_the_trash_is_asked_with_what_goes_along(count, said, client, record):
    PatientPhotoFactory.create_batch(count, patient=record.patient, medical_record=record)
    PatientPhotoFactory.create(patient=record.patient, medical_record=record, in_trash=True)
    question = f"Move the record Visit ({record.pk}) of {NAME}, born 2 Mar 1980 (45){said} to the trash?"
    assert question in text(client.get(delete_url(record)))
    response = client.post(delete_url(record), {"post": "yes"}, follow=True)
    assert f"“Visit ({record.pk}) of {NAME}” was moved to the trash ." in text(response)
    assert PatientPhoto.objects.in_trash().count() == count + 1


def test_moving_a_photo_to_the_trash_is_asked_with_its_record(client, photo):
    page = text(client.get(delete_url(photo)))
    assert f"Move the photo “Left knee” of {NAME}, born 2 Mar 1980 (45) to the trash?" in page
    assert f"The record {photo.medical_record} is then without it." in page


def test_moving_a_patient_to_the_trash_says_what_stays_and_that_nobody_can_change_it(client, patient, record, photo):
    page = text(client.get(patient_url(patient, "delete")))
    assert f"Move the patient {NAME}, born 2 Mar 1980 (45) to the trash?" in page
    assert "stays as it is (records: 1, photos: 1). Nobody can add to it or change it until" in page
    client.post(patient_url(patient, "delete"), {"post": "yes"})
    client.post(change_url(photo), {"description": "Right knee"})
    assert client.get(sign_url(record)).status_code == 302
    client.post(sign_url(record), {"version": record.version, "content": record.content_hash or "0" * 64})
    photo.refresh_from_db()
    record.refresh_from_db()
    assert (photo.description, photo.is_deleted, record.signed_at, record.is_deleted) == (
        "Left knee",
        False,
        None,
        False,
    )


def test_several_are_asked_about_with_what_goes_along_and_what_stays(client, patient, record, photo):
    signed = MedicalRecordFactory(patient=patient, template_name="Visit", signed_at=timezone.now())
    chosen = {"action": "move_to_trash", "_selected_action": [record.pk, signed.pk]}
    asked = client.post(list_url("medicalrecord") + "?trash=with", chosen)
    page = text(asked)
    assert f"Move this one to the trash? {record} of {NAME} 2 Mar 1980 (45) Their photo goes along." in page
    assert f"These stay where they are: {signed} of {NAME} Signed" in page
    assert not in_trash(record)
    sent = dict(re.findall(r'name="(action|post|_selected_action)" value="([^"]*)"', html_of(asked)))
    assert f'href="{list_url("medicalrecord")}?trash=with"' in html_of(asked)
    client.post(list_url("medicalrecord") + "?trash=with", sent)
    assert (in_trash(record), in_trash(photo), in_trash(signed)) == (True, True, False)


def test_several_patients_and_photos_are_asked_about(client, patient, record, photo):
    chosen = {"action": "move_to_trash", "_selected_action": [patient.pk]}
    page = text(client.post(reverse("admin:clinics_patient_changelist"), chosen))
    assert (
        f"{NAME}, born 2 Mar 1980 (45) What the clinic has of these patients stays as it is (records: 1, photos: 1)."
        in page
    )
    photos = [photo, PatientPhotoFactory(patient=patient)]
    chosen = {"action": "move_to_trash", "_selected_action": [photo.pk for photo in photos]}
    page = text(client.post(list_url("patientphoto"), chosen))
    assert "Move these 2 to the trash?" in page
    assert "A record is then without them." in page
    MedicalRecord.objects.filter(pk=record.pk).update(entered_in_error_at=timezone.now())
    assert "Its record: Marked as entered in error" in text(client.post(list_url("patientphoto"), chosen))


def test_what_an_action_has_moved_is_named(client, patient):
    records = MedicalRecordFactory.create_batch(7, patient=patient, template_name="Visit")
    chosen = {"action": "move_to_trash", "post": "yes", "_selected_action": [record.pk for record in records]}
    page = text(client.post(list_url("medicalrecord"), chosen, follow=True))
    first = min(record.pk for record in records)
    assert f"Moved to the trash: Visit ({first}) of {NAME}, Visit" in page
    assert f"of {NAME} and 2 more." in page


def test_an_autocompletion_tells_patients_of_one_name_apart(client, patient, record):
    asked = {"term": NAME, "app_label": "medical_records", "model_name": "medicalrecord", "field_name": "patient"}
    found = client.get(reverse("admin:autocomplete"), asked)
    assert [one["text"] for one in found.json()["results"]] == [f"{NAME}, born 2 Mar 1980 (45)"]


# Recent actions


def actions(client) -> str:
    page = html_of(client.get(reverse("admin:index")))
    return " ".join(strip_tags(page.partition('id="recent-actions-module"')[2].replace("<", " <")).split())


def test_recent_actions_name_the_patient_and_say_what_was_done_once(client, record, photo):
    for description in ("Left", "Left knee", "The left knee"):
        client.post(change_url(photo), {"description": description})
    client.post(delete_url(record), {"post": "yes"})
    client.post(restore_url(record))
    said = actions(client)
    assert f"Visit ({record.pk}) of {NAME} Restored from the trash." in said
    assert f"Visit ({record.pk}) of {NAME} Moved to the trash." in said
    assert said.count("Changed Description.") == 1


def test_recent_actions_name_an_object_as_it_is_now_and_not_at_all_where_it_isnt_seen(client, clinic_admin, record):
    client.post(delete_url(record), {"post": "yes"})
    Patient.objects.update(full_name="王大明")
    assert "王大明 Moved to the trash." in actions(client)
    other = PatientFactory.create(full_name="Somebody else")
    MedicalRecord.objects.filter(pk=record.pk).update(patient=other, clinic=other.clinic)
    said = actions(client)
    assert "Somebody else" not in said
    assert f"Medical record {record.pk} Moved to the trash." in said


def test_recent_actions_of_many_objects_cost_as_many_queries_as_those_of_one(client, patient):
    counts = []
    for _ in range(2):
        for record in MedicalRecordFactory.create_batch(4, patient__clinic=patient.clinic):
            client.post(delete_url(record), {"post": "yes"})
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("admin:index"))
        counts.append(len(queries))
    assert counts[0] == counts[1]
