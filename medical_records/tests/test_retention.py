"""Until when what is a patient's is kept, and what removes it then: the API, purge_trash, the database itself."""

import os
from calendar import isleap
from datetime import UTC, date, datetime, timedelta

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management import CommandError
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from clinic_project.audit.functions import ROW_IS_RETAINED
from clinic_project.audit.models import Destruction, HistoryEntry
from clinic_project.audit.transactions import changes_by
from clinic_project.clinics.factories import PatientFactory
from clinic_project.clinics.models import Patient
from clinic_project.reconciliation.sqlstates import sqlstate
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, PatientPhoto

from .photos.uploads import add, files_in
from .purging import exists, purge
from .retention import end_of_retention, in_trash_since, long_ago, now_of_the_database, retained_until
from .unrecorded import unrecorded

pytestmark = pytest.mark.django_db

RECORDS = "/api/clinic/medical-records"
YEARS = settings.RETENTION_YEARS


@pytest.fixture
def patient(clinic):
    return PatientFactory(clinic=clinic, birthday=date(1980, 1, 1))


@pytest.fixture
def old(patient):
    """A record in the trash, whose time is over."""
    return MedicalRecordFactory(patient=patient, **in_trash_since(long_ago()))


def years_after(moment: datetime, years: int = YEARS) -> datetime:
    """As PostgreSQL counts: 29 February becomes the 28th in a year without it."""
    has_day = isleap(moment.year + years) or not is_leap_day(moment)
    return moment.replace(year=moment.year + years, day=moment.day if has_day else 28)


def is_leap_day(moment: datetime) -> bool:
    return (moment.month, moment.day) == (2, 29)


def change(row, **columns) -> None:
    """Change a row in SQL: nobody is known to have done it."""
    type(row).objects.filter(pk=row.pk).update(**columns)


def refused_by_the_database(row) -> bool:
    """Whether the database refuses to destroy a row because it is retained."""
    with pytest.raises(DatabaseError) as refused, transaction.atomic():
        destroy(row)
    return sqlstate(refused.value) == ROW_IS_RETAINED


def destroy(row) -> None:
    """Insert the row of the log, as anybody with psql may try."""
    with connection.cursor() as cursor:
        sql = "INSERT INTO audit_destructions (table_name, row_id) VALUES (%s, %s)"
        cursor.execute(sql, [row._meta.db_table, row.pk])


# Until when


def test_a_record_is_kept_for_seven_years_after_its_last_change(patient):
    made, changed, deleted = (datetime(2021, 3, day, 12, tzinfo=UTC) for day in (1, 2, 3))
    record = MedicalRecordFactory(
        patient=patient, created_at=made, updated_at=changed, is_deleted=True, deleted_at=deleted
    )
    assert end_of_retention(record) == datetime(2028, 3, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("birthday", "year"),
    [
        (None, 2028),
        (date(1980, 5, 5), 2028),
        (date(2003, 3, 2), 2028),  # 18 the day before
        (date(2003, 5, 5), 2028),  # 18 two months later
        (date(2020, 5, 5), 2045),
        (date(9999, 5, 5), None),  # nobody's, but nothing breaks: as one who was born today
    ],
)
def test_what_is_a_minors_is_kept_for_seven_years_after_they_come_of_age(clinic, birthday, year):
    patient = PatientFactory(clinic=clinic, birthday=birthday)
    record = MedicalRecordFactory(patient=patient, **in_trash_since(datetime(2021, 3, 3, tzinfo=UTC)))
    until = end_of_retention(record)
    assert until.year == (year or now_of_the_database().year + 25)
    if birthday == date(2003, 5, 5):
        assert until.date() == date(2028, 5, 5)


def test_a_record_is_kept_as_long_as_the_last_of_its_photos(patient, old):
    PatientPhotoFactory(patient=patient, medical_record=old, **in_trash_since(long_ago()))
    assert retained_until(old) is None
    last = timezone.now() - timedelta(days=31)
    PatientPhotoFactory(patient=patient, medical_record=old, **in_trash_since(last))
    assert retained_until(old) == years_after(last)
    assert refused_by_the_database(old)


def test_a_photo_of_the_gallery_has_its_own_time(patient):
    moment = timezone.now() - timedelta(days=400)
    photo = PatientPhotoFactory(patient=patient, **in_trash_since(moment))
    assert retained_until(photo) == years_after(moment)
    assert retained_until(PatientPhotoFactory(patient=patient, **in_trash_since(long_ago()))) is None


def test_a_pending_photo_that_was_never_saved_is_no_patients_record(patient):
    record = MedicalRecordFactory(patient=patient)
    pending = PatientPhotoFactory(patient=patient, medical_record=record, pending=True)
    assert retained_until(pending) is None
    change(pending, is_pending=False)
    change(pending, is_pending=True, is_deleted=True)
    assert retained_until(pending) is not None, "it was part of the record for a while"


def test_what_is_in_use_is_not_destroyed(patient):
    record = MedicalRecordFactory(patient=patient, created_at=long_ago())
    photo = PatientPhotoFactory(patient=patient, medical_record=record, created_at=long_ago())
    for row in (record, photo, record.template):
        assert refused_by_the_database(row)


# Setting times back


def test_times_that_were_set_back_are_known_by_the_history(patient):
    record = MedicalRecordFactory(patient=patient)
    change(record, created_at=long_ago(), updated_at=long_ago(), is_deleted=True, deleted_at=long_ago())
    assert retained_until(record) > timezone.now() + timedelta(days=365 * YEARS)
    assert refused_by_the_database(record)
    assert purge() == "Removed records: 0, photos: 0, templates: 0, files without a photo: 0."


def test_a_row_from_before_the_history_is_known_by_its_first_entry(patient):
    with unrecorded("medical_records"):
        record = MedicalRecordFactory(patient=patient, **in_trash_since(timezone.now() - timedelta(days=40)))
    change(record, created_at=long_ago(), updated_at=long_ago(), deleted_at=long_ago())
    assert refused_by_the_database(record)


def test_a_change_by_a_person_counts_whatever_the_row_says(old):
    assert retained_until(old) is None
    with changes_by(via="api", by=7, name="Ada"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL audit.context = '{\"by\": 7}'")
        change(old, template_name="Another")
    assert refused_by_the_database(old)


def test_a_change_by_a_program_does_not_count(old):
    change(old, version=2)
    assert retained_until(old) is None


def test_a_time_in_the_future_is_not_believed(patient):
    record = MedicalRecordFactory(patient=patient, **in_trash_since(long_ago()))
    change(record, updated_at=datetime(2999, 1, 1, tzinfo=UTC))
    assert retained_until(record).year == now_of_the_database().year + YEARS
    change(record, updated_at=long_ago())
    assert retained_until(record).year == now_of_the_database().year + YEARS


@pytest.mark.parametrize("columns", [{"birthday": date(1970, 1, 1)}, {"birthday": None}])
def test_a_minor_who_was_made_older_stays_a_minor(clinic, columns):
    child = PatientFactory(clinic=clinic, birthday=timezone.now().date() - timedelta(days=365 * 10))
    record = MedicalRecordFactory(patient=child, **in_trash_since(long_ago()))
    before = retained_until(record)
    Patient.objects.filter(pk=child.pk).update(**columns)
    assert retained_until(record) == before
    assert refused_by_the_database(record)


def test_a_birthday_that_was_corrected_long_ago_does_not_count(clinic, old):
    Patient.objects.filter(pk=old.patient_id).update(birthday=date(2020, 1, 1))
    Patient.objects.filter(pk=old.patient_id).update(birthday=date(1980, 1, 1))
    assert retained_until(old).year == 2020 + 18 + YEARS
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_history DISABLE TRIGGER USER")
        cursor.execute("UPDATE audit_history SET recorded_at = %s WHERE table_name = 'patients'", [long_ago()])
    assert retained_until(old) is None


def test_a_record_that_was_given_to_another_patient_is_kept_as_the_minors(clinic, patient):
    child = PatientFactory(clinic=clinic, birthday=timezone.now().date() - timedelta(days=365 * 10))
    record = MedicalRecordFactory(patient=child, **in_trash_since(long_ago()))
    change(record, patient=patient)
    assert refused_by_the_database(record)


def test_a_row_that_was_removed_and_put_in_as_an_old_one_is_held_by_its_history(patient):
    record = MedicalRecordFactory(patient=patient)
    MedicalRecord.objects.filter(pk=record.pk).delete()
    again = MedicalRecordFactory(pk=record.pk, patient=patient, **in_trash_since(long_ago()))
    assert refused_by_the_database(again)


# Removing


def test_the_api_refuses_what_is_retained_and_says_until_when(api, patient):
    record = MedicalRecordFactory(patient=patient)
    url = f"{RECORDS}/{record.pk}"
    assert api.delete(url, {"version": 1}).status_code == 204
    response = api.delete(f"{url}/permanently", {"version": 2})
    assert (response.status_code, response.json()["type"]) == (409, "/problems/retained")
    until = retained_until(record)
    assert datetime.fromisoformat(response.json()["retained_until"]) == until
    assert f"{until:%Y-%m-%d}" in response.json()["detail"]
    assert exists(record)
    # What somebody else has changed since is told first, and restoring it is as before.
    assert api.delete(f"{url}/permanently", {"version": 1}).json()["type"] == "/problems/stale-version"
    assert api.post(f"{url}/restore", {"version": 2}).status_code == 200


def test_the_api_destroys_a_record_with_its_photos_and_their_histories(api, member, old):
    photo = PatientPhotoFactory(patient=old.patient, medical_record=old, **in_trash_since(long_ago()))
    assert api.delete(f"{RECORDS}/{old.pk}/permanently", {"version": 1}).status_code == 204
    assert not exists(old)
    assert not exists(photo)
    assert not HistoryEntry.objects.filter(table_name__in=["medical_records", "patient_photos"]).exists()
    logged = Destruction.objects.order_by("pk")
    assert [(row.table_name, row.row_id, row.patient_id, row.clinic_id) for row in logged] == [
        ("patient_photos", photo.pk, old.patient_id, old.clinic_id),
        ("medical_records", old.pk, old.patient_id, old.clinic_id),
    ]
    assert f'"by": {member.user_id}' in logged[0].context
    assert logged[1].retained_until == years_after(old.deleted_at)


def test_purge_trash_removes_what_is_over_and_leaves_the_rest(patient, old, media):
    photo = PatientPhotoFactory(patient=patient, **in_trash_since(long_ago()))
    kept = MedicalRecordFactory(patient=patient, **in_trash_since(timezone.now() - timedelta(days=40)))
    with_it = PatientPhotoFactory(patient=patient, medical_record=kept, created_at=long_ago(), is_deleted=True)
    change(with_it, deleted_at=kept.deleted_at)
    assert "records: 1, photos: 1," in purge()
    assert [exists(row) for row in (old, photo, kept, with_it)] == [False, False, True, True]
    assert all('"purge_trash"' in row.context for row in Destruction.objects.all())


def test_a_photo_that_went_to_the_trash_with_its_record_goes_with_it(patient):
    """Though its own time is over before."""
    moment = long_ago()
    record = MedicalRecordFactory(patient=patient, **in_trash_since(moment))
    first = PatientPhotoFactory(patient=patient, medical_record=record, **in_trash_since(moment))
    PatientPhotoFactory(
        patient=patient, medical_record=record, **in_trash_since(moment), updated_at=timezone.now() - timedelta(days=40)
    )
    assert "records: 0, photos: 0," in purge()
    assert exists(first)


def test_a_dry_run_says_what_is_kept_until_when(patient, old):
    year = timezone.now().year - 4
    for moment in (datetime(year + later, 4, 5, tzinfo=UTC) for later in (0, 1, 1)):
        MedicalRecordFactory(patient=patient, **in_trash_since(moment))
    PatientPhotoFactory(patient=patient, **in_trash_since(datetime(year + 2, 4, 5, tzinfo=UTC)))
    PatientPhotoFactory(patient=patient, **in_trash_since(timezone.now()))
    said = purge("--dry-run").splitlines()
    first = f"The first of them until {year + 7}-04-05."
    assert said == [
        "Would remove records: 1, photos: 0, templates: 0, files without a photo: 0.",
        f"Has to keep records: 3 (1 until {year + 7}, 2 until {year + 8}); photos: 1 (1 until {year + 9}). {first}",
    ]
    assert exists(old)


def test_a_template_stays_while_a_record_that_is_kept_refers_to_it(patient):
    template = MedicalRecordTemplateFactory(clinic=patient.clinic, **in_trash_since(long_ago()))
    record = MedicalRecordFactory(
        patient=patient, template=template, **in_trash_since(timezone.now() - timedelta(days=40))
    )
    assert "templates: 0," in purge()
    assert exists(template)
    assert exists(record)


def test_a_template_that_no_record_refers_to_goes_with_its_history_after_30_days(clinic):
    template = MedicalRecordTemplateFactory(clinic=clinic, **in_trash_since(timezone.now() - timedelta(days=31)))
    assert "templates: 1," in purge()
    assert not HistoryEntry.objects.filter(table_name=template._meta.db_table).exists()
    [logged] = Destruction.objects.all()
    assert (logged.table_name, logged.patient_id, logged.retained_until) == (template._meta.db_table, None, None)


def test_a_purged_pending_photo_is_no_change_of_its_record(patient):
    record = MedicalRecordFactory(patient=patient, created_at=timezone.now() - timedelta(days=100))
    PatientPhotoFactory(
        patient=patient, medical_record=record, pending=True, created_at=timezone.now() - timedelta(days=31)
    )
    assert "photos: 1," in purge()
    before = record.updated_at
    record.refresh_from_db()
    assert (record.version, record.updated_at) == (2, before)


# Files


def age_files(media) -> None:
    for path in files_in(media):
        os.utime(path, (long_ago().timestamp(),) * 2)


def test_a_photo_that_was_deleted_in_sql_keeps_its_file_as_its_history_stays(patient, media):
    photo = add(patient)
    PatientPhoto.objects.filter(pk=photo.pk).delete()
    age_files(media)
    assert "photo: 0." in purge()
    assert default_storage.exists(photo.storage_key)
    assert default_storage.exists(photo.thumbnail_key)


def test_a_photo_that_was_given_another_file_in_sql_keeps_the_first(patient, media):
    photo = add(patient)
    change(photo, content_hash="0" * 64, storage_key="elsewhere.jpg", thumbnail_key=None)
    age_files(media)
    assert "photo: 0." in purge()
    assert default_storage.exists(photo.storage_key)


def test_the_file_of_a_destroyed_photo_goes_with_it(patient, media):
    photo = add(patient)
    with unrecorded("patient_photos"):
        change(photo, **in_trash_since(long_ago()))
    age_files(media)
    assert "photos: 1," in purge()
    assert not files_in(media)


def test_a_file_stays_a_day_longer_than_its_photo_was_retained(patient, media):
    photo = add(patient)
    ended = timezone.now() - timedelta(hours=12)
    if is_leap_day(ended):
        pytest.skip("nothing's time ends on 29 February: there was none seven years before")
    with unrecorded("patient_photos"):
        change(photo, **in_trash_since(years_after(ended, -YEARS)))
    assert "photos: 1," in purge()
    assert len(files_in(media)) == 2, "yesterday's backup of the database has the photo"


# Damaged databases


@pytest.mark.parametrize(
    "damage",
    [
        "DROP FUNCTION medical_records_retained_until(bigint)",
        "DROP FUNCTION retention_ends(timestamptz, date)",
        "ALTER TABLE patients DROP COLUMN birthday",
        "ALTER TABLE medical_records ALTER updated_at DROP DEFAULT, ALTER updated_at TYPE text",
        "DROP TRIGGER zz_audit_destructions_destroy ON audit_destructions",
        "DROP TABLE audit_destructions",
        "DROP TABLE audit_destroyed_entries",
    ],
)
def test_a_damaged_database_destroys_nothing_and_says_what_to_do(api, old, damage):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(damage)
    response = api.delete(f"{RECORDS}/{old.pk}/permanently", {"version": 1})
    assert (response.status_code, response.json()["type"]) == (503, "/problems/schema-behind"), response.content
    if "updated_at" not in damage:
        with pytest.raises(CommandError, match=r"Run manage\.py migrate"), transaction.atomic():
            purge()
    assert exists(old)
