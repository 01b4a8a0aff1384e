"""Patients, and the records and photos that are theirs, found by the name or phone number."""

import datetime as dt
import unicodedata
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from clinic_project.clinics.administration.searching import BEGINNING, PART, TOO_MANY
from clinic_project.clinics.factories import ClinicFactory, PatientFactory
from clinic_project.clinics.tests.admin_site import rows_of
from medical_records.admin.records import RecordAdmin
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory

from .pages import list_url

pytestmark = pytest.mark.django_db

PATIENTS = reverse("admin:clinics_patient_changelist")


def names_found(client, text: str, **filters) -> list[str]:
    """Return the names of the patients whom `text` finds, having seen that it finds their records and photos as well."""
    query = {"q": text, **filters}
    names = [patient.full_name for patient in rows_of(client.get(PATIENTS, query))]
    for model in ("medicalrecord", "patientphoto"):
        assert sorted(row.patient.full_name for row in rows_of(client.get(list_url(model), query))) == sorted(names)
    return names


def make_patient(clinic, name: str, phone: str | None = None):
    patient = PatientFactory(clinic=clinic, full_name=name, phone_number=phone)
    MedicalRecordFactory(patient=patient)
    PatientPhotoFactory(patient=patient)
    return patient


@pytest.mark.parametrize("text", ["oak", " ANN ", "n O", "Ann Oak", "555 010-0142", "0142"])
def test_a_clinics_patients_are_found_by_a_part(text, client, staff_member):
    make_patient(staff_member.clinic, "Ann Oak", "+1 (555) 010-0142")
    make_patient(staff_member.clinic, "Zoe Ash", "+1 (555) 010-0199")
    make_patient(ClinicFactory(), "Ann Oak", "+1 (555) 010-0142")
    assert names_found(client, text) == ["Ann Oak"]


@pytest.mark.parametrize("text", ["王", "王小", "ann", "ANN O", "1555", "+1 (555) 010-01"])
def test_all_clinics_patients_are_found_by_a_beginning(text, client, superuser):
    name = "王小明" if text.startswith("王") else "Ann Oak"
    for clinic in (ClinicFactory(), ClinicFactory()):
        make_patient(clinic, name, "+1 (555) 010-0142")
        make_patient(clinic, "Joann 王", "010-0142 (555)")
    assert names_found(client, text) == [name, name]


@pytest.mark.parametrize("text", ["oak", "小", "0142", "%", "_", "\\", "'", "555 x"])
def test_what_begins_nothing_finds_nobody_in_all_clinics(text, client, superuser):
    ClinicFactory()
    make_patient(ClinicFactory(), "Ann Oak 小", "+1 (555) 010-0142")
    assert names_found(client, text) == []


@pytest.mark.parametrize("kept", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_a_beginning_is_found_however_its_accents_are_written(kept, typed, client, superuser):
    ClinicFactory()
    make_patient(ClinicFactory(), unicodedata.normalize(kept, "Zoë Ängström"))
    assert len(names_found(client, unicodedata.normalize(typed, "zoë ä"))) == 1


def test_a_superuser_finds_a_part_in_one_clinic(client, superuser):
    clinic = ClinicFactory()
    make_patient(clinic, "Ann Oak")
    make_patient(ClinicFactory(), "Zoe Oak")
    assert names_found(client, "oak", clinic=clinic.pk) == ["Ann Oak"]


def test_a_superuser_finds_a_part_where_there_is_one_clinic(client, superuser):
    make_patient(ClinicFactory(), "Ann Oak")
    assert names_found(client, "oak") == ["Ann Oak"]


def test_the_page_says_what_a_search_is_for(client, superuser):
    clinic, _ = ClinicFactory(), ClinicFactory()
    found = {PATIENTS: (PART, BEGINNING), list_url("patientphoto"): (PART, BEGINNING)}
    found[list_url("medicalrecord")] = RecordAdmin.search_help_texts
    for path, (part, beginning) in found.items():
        assert str(beginning) in unescape(client.get(path).text)
        assert str(part) in unescape(client.get(path, {"clinic": clinic.pk}).text)


def test_records_are_found_by_a_part_of_their_templates_name_as_well(client, staff_member):
    clinic = staff_member.clinic
    by_template = MedicalRecordFactory(patient__clinic=clinic, template__name="Yearly eye examination")
    by_patient = MedicalRecordFactory(patient=PatientFactory(clinic=clinic, full_name="Iris Eyer"))
    MedicalRecordFactory(patient__clinic=clinic, patient__full_name="Bo Elm", template__name="Dental check-up")
    MedicalRecordFactory(template__name="Eye examination of another clinic")
    assert records_found(client, "eye") == {by_template.pk, by_patient.pk}
    assert records_found(client, "EYE EX") == {by_template.pk}


def test_in_all_clinics_too(client, superuser):
    records = [MedicalRecordFactory(template__name=name) for name in ("Eye examination", "An eye examination", "Ear")]
    assert records_found(client, "eye") == {record.pk for record in records[:2]}
    assert records_found(client, "eye", clinic=records[0].clinic_id) == {records[0].pk}


def records_found(client, text: str, **filters) -> set[int]:
    return {row.pk for row in rows_of(client.get(list_url("medicalrecord"), {"q": text, **filters}))}


def test_staff_never_search_another_clinic(client, staff_member):
    theirs = ClinicFactory()
    make_patient(theirs, "Ann Oak")
    assert names_found(client, "ann", clinic=theirs.pk) == []


@pytest.mark.parametrize("model", ["medicalrecord", "patientphoto"])
def test_a_list_is_of_as_many_patients_as_it_says(model, client, staff_member, monkeypatch):
    monkeypatch.setattr("clinic_project.clinics.administration.searching.MAX_PATIENTS", 2)
    for name in ("Ann Oak", "Anna Ash", "Annie Elm"):
        make_patient(staff_member.clinic, name)
    response = client.get(list_url(model), {"q": "ann"})
    assert len(rows_of(response)) == 2
    assert TOO_MANY % {"count": "2"} in response.text
    response = client.get(list_url(model), {"q": "anni"})
    assert len(rows_of(response)) == 1
    assert TOO_MANY % {"count": "2"} not in response.text


@pytest.mark.parametrize(("order", "ages"), [({}, [1, 2, 3]), ({"o": "4"}, [3, 2, 1]), ({"o": "-4"}, [1, 2, 3])])
def test_what_is_found_is_in_the_lists_order(order, ages, client, staff_member):
    now = timezone.now()
    patient = PatientFactory(clinic=staff_member.clinic, full_name="Ann Oak")
    for age in (2, 1, 3):
        MedicalRecordFactory(patient=patient, created_at=now - dt.timedelta(days=age))
    rows = rows_of(client.get(list_url("medicalrecord"), {"q": "ann", **order}))
    assert [(now - row.created_at).days for row in rows] == ages


def test_all_clinics_patients_are_listed_by_name_in_any_case(client, superuser):
    for name in ("bob", "Ann", "Cid"):
        PatientFactory(full_name=name)
    assert [patient.full_name for patient in rows_of(client.get(PATIENTS))] == ["Ann", "bob", "Cid"]
