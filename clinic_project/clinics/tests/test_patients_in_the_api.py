"""Patients and appointments as the API shows them."""

import datetime as dt
import unicodedata

import pytest

from clinic_project.clinics.factories import AppointmentFactory, MembershipFactory, PatientFactory
from clinic_project.clinics.tests.clients import client_of

PATIENTS = "/api/clinic/patients"
APPOINTMENTS = "/api/clinic/appointments"


def found(response, name="full_name"):
    assert response.status_code == 200, response.content
    return [row[name] for row in response.json()["results"]]


def test_patients_are_listed_by_name_without_those_who_are_deleted(api, clinic):
    PatientFactory(clinic=clinic, full_name="Zoe Ash")
    PatientFactory(clinic=clinic, full_name="Ann Oak")
    PatientFactory(clinic=clinic, full_name="Gone", in_trash=True)
    PatientFactory(full_name="Another clinic's")
    assert found(api.get(PATIENTS)) == ["Ann Oak", "Zoe Ash"]
    assert found(api.get(PATIENTS, {"status": "deleted"})) == ["Gone"]
    assert len(found(api.get(PATIENTS, {"status": "all"}))) == 3


def test_a_patient_is_shown_with_notes_deleted_or_not(api, clinic):
    patient = PatientFactory(
        clinic=clinic, full_name="Ann Oak", birthday=dt.date(1980, 5, 17), notes="Prefers mornings", in_trash=True
    )
    shown = api.get(f"{PATIENTS}/{patient.pk}").json()
    assert (shown["full_name"], shown["birthday"], shown["notes"]) == ("Ann Oak", "1980-05-17", "Prefers mornings")
    assert shown["is_deleted"]
    [listed] = api.get(PATIENTS, {"status": "all"}).json()["results"]
    assert shown == {**listed, "notes": "Prefers mornings"}


@pytest.mark.parametrize("text", ["oak", "ANN", "n O", "Ann Oak", " oak "])
def test_a_part_of_the_name_finds_a_patient(api, clinic, text):
    PatientFactory(clinic=clinic, full_name="Ann Oak")
    PatientFactory(clinic=clinic, full_name="Zoe Ash")
    assert found(api.get(PATIENTS, {"search": text})) == ["Ann Oak"]


@pytest.mark.parametrize("kept", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_an_accent_is_found_however_it_is_written(api, clinic, kept, typed):
    PatientFactory(clinic=clinic, full_name=unicodedata.normalize(kept, "Zoë Ängström"))
    assert len(found(api.get(PATIENTS, {"search": unicodedata.normalize(typed, "zoë ä")}))) == 1


@pytest.mark.parametrize("kept", ["+1 555 010 0142", "+1 (555) 010-0142", "15550100142", "+1.555.010/0142"])
@pytest.mark.parametrize("text", ["5550100142", "555 010-0142", "(555) 01", "+1 555", "0142", "٠١٤٢"])
def test_digits_of_the_phone_find_a_patient_however_they_are_spaced(api, clinic, kept, text):
    PatientFactory(clinic=clinic, full_name="Ann Oak", phone_number=kept)
    PatientFactory(clinic=clinic, full_name="Zoe Ash", phone_number="+49 30 999")
    PatientFactory(clinic=clinic, full_name="No phone", phone_number=None)
    assert found(api.get(PATIENTS, {"search": text})) == ["Ann Oak"]


@pytest.mark.parametrize("text", ["%", "_", "\\", "'", "555 x", "()", "-"])
def test_what_isnt_a_part_of_any_finds_nobody(api, clinic, text):
    PatientFactory(clinic=clinic, full_name="Ann Oak", phone_number="+1 555 010 0142")
    assert found(api.get(PATIENTS, {"search": text})) == []


def test_a_number_in_a_name_is_found_too(api, clinic):
    PatientFactory(clinic=clinic, full_name="Trial patient 77", phone_number="1")
    assert found(api.get(PATIENTS, {"search": "77"})) == ["Trial patient 77"]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_patients_are_only_read(api, clinic, method):
    url = f"{PATIENTS}/{PatientFactory(clinic=clinic).pk}"
    for path in (PATIENTS, url, APPOINTMENTS):
        assert getattr(api, method)(path, {}).status_code == 405


def test_a_member_without_a_role_reads_them_too(clinic):
    reader = client_of(MembershipFactory(clinic=clinic, reader=True))
    assert reader.get(PATIENTS).status_code == 200
    assert reader.get(APPOINTMENTS).status_code == 200


# Appointments


@pytest.fixture
def patient(clinic):
    return PatientFactory(clinic=clinic)


def visit(patient, day, start=None):
    starts = {"calendar_event__start_time": start and dt.time(start), "calendar_event__end_time": None}
    return AppointmentFactory(patient=patient, calendar_event__date=dt.date(2026, 3, day), **starts)


def test_an_appointment_says_who_comes_to_whom_and_when(api, patient):
    made = AppointmentFactory(patient=patient, calendar_event__date=dt.date(2026, 3, 14), notes="Brings an X-ray")
    [shown] = api.get(APPOINTMENTS).json()["results"]
    assert shown == {
        "id": made.pk,
        "patient_id": patient.pk,
        "user_id": made.calendar_event.user_id,
        "date": "2026-03-14",
        "start_time": "09:00:00",
        "end_time": "09:30:00",
        "status": "confirmed",
        "notes": "Brings an X-ray",
    }


def test_appointments_are_listed_the_latest_first_page_by_page(api, patient):
    made = [visit(patient, 1), visit(patient, 1, 8), visit(patient, 2), visit(patient, 2, 8), visit(patient, 2, 17)]
    pages, link = [], f"{APPOINTMENTS}?page_size=2"
    while link:
        response = api.get(link)
        pages.append(found(response, "id"))
        link = response.json()["next"]
    assert pages == [[made[4].pk, made[3].pk], [made[2].pk, made[1].pk], [made[0].pk]]


def test_appointments_are_found_by_patient_and_day(api, clinic, patient):
    mine, later = visit(patient, 1, 8), visit(patient, 2, 8)
    others = visit(PatientFactory(clinic=clinic), 1, 9)
    for query, expected in (
        ({"patient_id": patient.pk}, [later, mine]),
        ({"patient": patient.pk}, [later, mine]),
        ({"date": "2026-03-01"}, [others, mine]),
        ({"date": "2026-03-01", "patient_id": patient.pk}, [mine]),
        ({"date": "2026-03-09"}, []),
    ):
        assert found(api.get(APPOINTMENTS, query), "id") == [appointment.pk for appointment in expected], query


@pytest.mark.parametrize("date", ["", "today", "2026-3-1", "20260301", "2026-W10-1", "2026-02-30", "01.03.2026"])
def test_a_day_is_a_date(api, db, date):
    response = api.get(APPOINTMENTS, {"date": date})
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["date"]


@pytest.mark.parametrize("rows", [0, 1, 60])
def test_two_queries_however_many_rows(api, clinic, patient, rows, django_assert_num_queries):
    PatientFactory.create_batch(rows, clinic=clinic)
    for day in range(rows):
        visit(patient, day % 28 + 1)
    for url in (PATIENTS, APPOINTMENTS):
        with django_assert_num_queries(2):  # the token with the memberships, the rows with their number
            assert len(found(api.get(url, {"page_size": 100}), "id")) >= rows
