"""`manage.py load_demo`: a clinic to look around in."""

import datetime
import io
import math
import re
from collections import Counter, defaultdict

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from clinic_project.audit.models import HistoryEntry
from clinic_project.clinics.factories import PASSWORD
from clinic_project.clinics.models import Appointment, Clinic, Patient, User
from medical_records.demo.paintings import SKIN_TONES
from medical_records.demo.templates import TEMPLATES
from medical_records.history import ReadableChange, read_history
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.template_fields import checked_values

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

MODELS = [User, Clinic, Patient, MedicalRecordTemplate, MedicalRecord, PatientPhoto]


@pytest.fixture
def _development(settings):
    settings.DEBUG = True


def load(**options) -> str:
    output = io.StringIO()
    call_command("load_demo", stdout=output, **options)
    return output.getvalue()


@pytest.mark.usefixtures("_development")
def test_it_prints_logins_that_work_and_addresses_that_are_there(client):
    said = load()
    emails = re.findall(r"^  (\S+@\S+)", said, re.MULTILINE)
    assert len(emails) == 5
    for email in emails:
        assert client.post(reverse("admin:login"), {"username": email, "password": PASSWORD}).status_code == 302
    client.force_login(User.objects.get(email="root@demo.example"))
    paths = re.findall(r"http://127.0.0.1:8000(/admin/\S*)", said)
    assert len(paths) == 5
    for path in paths:
        assert client.get(path).status_code == 200


@pytest.mark.usefixtures("_development")
def test_visits_are_in_the_opening_hours_of_the_clinics_time_zone(settings):
    settings.TIME_ZONE = "Asia/Taipei"
    load()
    visits = MedicalRecord.objects.values_list("created_at", "appointment__calendar_event__start_time")
    begun = [(timezone.localtime(created_at).time(), start) for created_at, start in visits]
    assert [created for created, start in begun if created != start] == []
    assert {start.hour for _, start in begun} <= set(range(8, 18))


@pytest.mark.usefixtures("_development")
def test_a_second_load_adds_nothing():
    assert "All of it is new." in load()
    before = [set(model.objects.values_list("pk", flat=True)) for model in MODELS]
    changes = HistoryEntry.objects.count()
    assert "nothing was added" in load()
    assert [set(model.objects.values_list("pk", flat=True)) for model in MODELS] == before
    assert HistoryEntry.objects.count() == changes


@pytest.mark.usefixtures("_development")
def test_some_rows_were_changed_over_time_by_several_people():
    load()
    changed = HistoryEntry.objects.exclude(action=HistoryEntry.Action.INSERT)
    by_table = {"medical_record_templates", "medical_records", "patients", "patient_photos"}
    assert set(changed.values_list("table_name", flat=True)) == by_table
    people = {change.by.name for record in MedicalRecord.objects.filter(version__gt=1) for change in changes_of(record)}
    assert people == {"Amara Okafor", "Jonas Lind", "Mei Tanaka"}


def changes_of(record: MedicalRecord) -> list[ReadableChange]:
    return [change for change in read_history(record).changes if change.action != "created"]


@pytest.mark.usefixtures("_development")
def test_most_records_are_signed_and_what_was_signed_is_there(monkeypatch):
    monkeypatch.setattr("medical_records.demo.loading.ORIGINALS", 1)
    load(scale=2)
    records = MedicalRecord.objects.active()
    signed, originals = records.signed(), records.count() / 2
    assert 0.8 * originals < signed.count() < originals
    assert records.in_error().count() == signed.filter(amended_at__isnull=False).count() == 2
    call_command("verify_records", stdout=io.StringIO())


@pytest.mark.usefixtures("_development")
def test_a_larger_scale_adds_what_is_missing():
    load()
    small = Patient.objects.count()
    said = load(scale=2)
    assert Patient.objects.count() == 2 * small
    assert f"The demo is there: 2 clinics, 5 people, {2 * len(TEMPLATES)} templates, {2 * small} patients, " in said
    assert re.search(rf"Added now: {small} patients, \d+ records, \d+ photos\. The rest was there before", said)


@pytest.mark.usefixtures("_development")
def test_a_large_scale_copies_patients_with_all_that_is_theirs(monkeypatch):
    monkeypatch.setattr("medical_records.demo.loading.ORIGINALS", 1)
    load()
    small = Counter({model: model.objects.count() for model in MODELS})
    load(scale=4)
    for model in (Patient, MedicalRecord, PatientPhoto):
        assert model.objects.count() == 4 * small[model]
    assert Appointment.objects.count() == MedicalRecord.objects.count()
    assert not MedicalRecord.objects.exclude(patient=F("appointment__patient")).exists()
    on_records = PatientPhoto.objects.filter(medical_record__isnull=False)
    assert not on_records.exclude(patient=F("medical_record__patient")).exists()
    assert not on_records.exclude(clinic=F("medical_record__clinic")).exists()
    Patient(clinic=Clinic.objects.first(), full_name="The next id is free").save()
    assert_believable()


@pytest.mark.usefixtures("_development")
def test_everything_fits_together():
    load()
    assert MedicalRecordTemplate.objects.count() == 2 * len(TEMPLATES)
    assert not MedicalRecord.objects.exclude(clinic=F("patient__clinic")).exists()
    assert not MedicalRecord.objects.exclude(clinic=F("template__clinic")).exists()
    assert not MedicalRecord.objects.exclude(patient=F("appointment__patient")).exists()
    on_records = PatientPhoto.objects.filter(medical_record__isnull=False)
    assert not on_records.exclude(patient=F("medical_record__patient")).exists()
    assert not on_records.exclude(is_deleted=F("medical_record__is_deleted")).exists()
    for record in MedicalRecord.objects.all():
        assert checked_values(record.template_snapshot, record.values) == record.values
    assert MedicalRecord.objects.in_trash().exists()


def assert_believable():
    """The patients are as old as the forms are for, and nothing was done before their birth, at night or in the future."""
    samples = {sample.name: sample for sample in TEMPLATES}
    now = timezone.now()
    for record in MedicalRecord.objects.select_related("patient", "template", "appointment__calendar_event"):
        made, visit, born = record.created_at, record.appointment.calendar_event, record.patient.birthday
        assert samples[record.template_name].fits((made.date() - born).days / 365.25)
        assert record.template.created_at < record.patient.created_at < made < record.updated_at <= now
        assert (visit.date, visit.start_time) == (made.date(), made.time())
        assert made.weekday() < 5
        assert datetime.time(8) <= made.time() < visit.end_time <= datetime.time(17, 30)
        assert record.deleted_at is None or record.deleted_at == record.updated_at
    for photo in PatientPhoto.objects.select_related("patient"):
        assert photo.patient.created_at < photo.created_at < (photo.deleted_at or now)


@pytest.mark.usefixtures("_development")
def test_it_is_believable():
    load()
    assert_believable()
    months = {(made.year, made.month) for made in MedicalRecord.objects.values_list("created_at", flat=True)}
    assert len(months) > 30
    heights = defaultdict(list)
    for record in MedicalRecord.objects.filter(template_name="Child check-up").order_by("created_at"):
        [height] = [f["id"] for f in record.template_snapshot["fields"] if f["label"] == "Height"]
        heights[record.patient_id].append(record.values[height])
    assert len(heights) > 2
    assert all(measured == sorted(measured) and 50 < measured[0] < 180 for measured in heights.values())


@pytest.mark.usefixtures("_development")
def test_every_photo_has_its_files():
    load()
    keys = set(PatientPhoto.objects.values_list("storage_key", "thumbnail_key"))
    assert keys
    assert all(default_storage.exists(key) for pair in keys for key in pair)


def test_where_debug_is_off_it_refuses():
    with pytest.raises(CommandError, match="may be production"):
        load()
    assert not User.objects.exists()


def test_in_production_it_requires_a_password_of_its_own():
    with pytest.raises(CommandError, match="add --password"):
        load(in_production=True)
    assert "The demo is there" in load(in_production=True, password="a-secret-of-ours")
    assert User.objects.get(email="root@demo.example").check_password("a-secret-of-ours")


@pytest.mark.usefixtures("_development")
def test_an_unmigrated_database_is_told_to_be_migrated():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE medical_records RENAME TO hidden")
    with pytest.raises(CommandError, match=r"manage\.py migrate"):
        load()


@pytest.mark.parametrize("scale", ["0", "-1", "x", "1.5", "9999999"])
def test_a_scale_that_is_no_scale_is_refused(scale):
    with pytest.raises(CommandError, match="whole number from 1"):
        call_command("load_demo", f"--scale={scale}")


@pytest.mark.usefixtures("_development")
def test_a_patient_s_skin_is_the_same_on_all_photos():
    load()
    seen = defaultdict(set)
    for photo in PatientPhoto.objects.filter(medical_record__template__name="Skin examination"):
        with default_storage.open(photo.storage_key) as file:
            corner = Image.open(file).convert("RGB").resize((9, 9)).crop((0, 0, 2, 2)).resize((1, 1)).getpixel((0, 0))
        seen[photo.patient_id].add(min(SKIN_TONES, key=lambda tone, corner=corner: math.dist(tone, corner)))
    assert {len(tones) for tones in seen.values()} == {1}
    assert len(set.union(*seen.values())) > 1
