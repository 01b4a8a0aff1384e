"""Query parameters: named as in bodies, and refused where nothing reads them."""

import pytest

from clinic_project.clinics.factories import PatientFactory
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory

RECORDS = "/api/clinic/medical-records"


def test_an_unknown_parameter_is_400_with_the_known_ones_named(api):
    response = api.get(RECORDS, {"patientid": 1})
    assert response.status_code == 400
    [message] = response.json()["errors"]["patientid"]
    for known in ("patient_id", "template_id", "appointment_id", "status", "cursor", "page", "page_size"):
        assert known in message


def test_what_was_sent_instead_of_a_name_isnt_repeated(api):
    response = api.get(f"{RECORDS}?Jane Doe, born 1980=1")
    assert response.status_code == 400
    assert b"Jane" not in response.content


def test_what_shows_one_row_or_changes_it_takes_none(api, clinic):
    record = MedicalRecordFactory(patient__clinic=clinic)
    url = f"{RECORDS}/{record.pk}?version=1"
    for response in (api.get(url), api.patch(url, {"values": {}, "version": 1})):
        assert response.json()["errors"]["version"] == ["This takes no parameters."]
    record.refresh_from_db()
    assert record.version == 1


def test_a_method_that_isnt_there_is_refused_whatever_comes_with_it(api):
    assert api.put(f"{RECORDS}?page=1").status_code == 405


def test_what_is_about_ones_own_credentials_takes_none_either(api):
    assert api.get("/api/auth/me", {"user": 1}).status_code == 400


def test_credentials_are_looked_at_first(client, db):
    assert client.get(f"{RECORDS}?x=1").status_code == 401


def test_lists_name_their_filters_as_bodies_do_and_know_the_former_names(api, clinic):
    patient = PatientFactory(clinic=clinic)
    record = MedicalRecordFactory(patient=patient)
    MedicalRecordFactory(patient__clinic=clinic)
    photo = PatientPhotoFactory(patient=patient, medical_record=record)

    def found(url, **query):
        return [row["id"] for row in api.get(url, query).json()["results"]]

    photos = "/api/clinic/patient-photos"
    for patient_name, record_name, template_name in (
        ("patient_id", "medical_record_id", "template_id"),
        ("patient", "record", "template"),
    ):
        assert found(RECORDS, **{patient_name: patient.pk}) == [record.pk]
        assert found(RECORDS, **{template_name: record.template_id}) == [record.pk]
        assert found(photos, **{patient_name: patient.pk, record_name: record.pk}) == [photo.pk]


@pytest.mark.parametrize("when", ["2026-03-14T17:26:53+08:00", "2026-03-14T17:26+0800", "2026-03-14 17:26:53.5+08"])
def test_an_offset_whose_plus_became_a_space_is_told_how_to_be_sent(api, when):
    response = api.get(f"{RECORDS}?created_after={when}")
    assert response.status_code == 400
    [message] = response.json()["errors"]["created_after"]
    assert "%2B" in message
    # What it says is so.
    assert api.get(f"{RECORDS}?created_after={when.replace('+', '%2B')}").status_code == 200
    assert api.get(f"{RECORDS}?created_after=2026-03-14T17:26:53%2B08:00").status_code == 200
