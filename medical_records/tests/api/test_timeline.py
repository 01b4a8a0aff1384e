"""What a patient has, by date."""

import datetime as dt

import pytest
from django.utils import timezone

from clinic_project.clinics.factories import PatientFactory
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory

START = timezone.now()


@pytest.fixture
def patient(clinic):
    return PatientFactory(clinic=clinic)


@pytest.fixture
def url(patient):
    return f"/api/clinic/patients/{patient.pk}/timeline"


@pytest.fixture
def entries(patient):
    """Make a record, a photo and so on, the oldest first; some at one instant. Return them as the timeline has them."""
    template = MedicalRecordTemplateFactory(clinic=patient.clinic)
    made = []
    for number in range(4):
        when = START + dt.timedelta(days=number // 2)
        photo = PatientPhotoFactory(patient=patient, created_at=when)
        record = MedicalRecordFactory(patient=patient, template=template, created_at=when)
        made += [("photo", photo.pk), ("record", record.pk)]
    two_days = [made[:4], made[4:]]
    return [entry for day in reversed(two_days) for entry in sorted(day, reverse=True)]


def shown(page):
    return [(entry["type"], entry[entry["type"]]["id"]) for entry in page["results"]]


def test_records_and_photos_come_together_the_newest_first(api, url, entries):
    page = api.get(url).json()
    assert shown(page) == sorted(entries, reverse=True) or shown(page) == entries
    assert page["count"] == 8
    for entry in page["results"]:
        assert (entry["record"] is None) is (entry["type"] == "photo")
        assert entry["at"] == entry[entry["type"]]["created_at"]


def test_each_is_shown_as_its_own_list_shows_it(api, url, patient, entries):
    records = api.get(f"/api/clinic/patients/{patient.pk}/medical-records").json()["results"]
    photos = api.get("/api/clinic/patient-photos", {"patient_id": patient.pk}).json()["results"]
    results = api.get(url).json()["results"]
    assert [entry["record"] for entry in results if entry["record"]] == records
    assert [entry["photo"] for entry in results if entry["photo"]] == photos


def test_it_is_paged_like_every_list(api, url, entries):
    pages, link = [], f"{url}?page_size=3"
    while link:
        pages.append(api.get(link).json())
        link = pages[-1]["next"]
    assert [entry for page in pages for entry in shown(page)] == entries
    assert api.get(pages[-1]["previous"]).json() == pages[-2]


def test_what_is_pending_in_the_trash_or_anothers_isnt_shown(api, url, patient):
    MedicalRecordFactory(patient=patient, in_trash=True)
    PatientPhotoFactory(patient=patient, in_trash=True)
    PatientPhotoFactory(patient=patient, pending=True)
    PatientPhotoFactory(patient=PatientFactory(clinic=patient.clinic))
    assert api.get(url).json()["results"] == []


@pytest.mark.parametrize("rows", [1, 50])
def test_six_queries_however_many_rows(api, url, patient, rows, django_assert_num_queries):
    template = MedicalRecordTemplateFactory(clinic=patient.clinic)
    MedicalRecordFactory.create_batch(rows, patient=patient, template=template)
    PatientPhotoFactory.create_batch(rows, patient=patient)
    # The token with the memberships, the patient, which rows; the records, the photos; who looked.
    with django_assert_num_queries(6):
        assert len(api.get(url, {"page_size": 200}).json()["results"]) == 2 * rows
