"""The product as a role that owns nothing: it and its database are made by the statements that the page tells."""

import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
from django.apps import apps
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from clinic_project.audit.functions import ROW_IS_RETAINED
from clinic_project.clinics.factories import PASSWORD, PatientFactory, UserFactory
from clinic_project.clinics.tests.conftest import media
from clinic_project.reconciliation.tests.support.databases import Database, default_connection_to, drop_database
from clinic_project.reconciliation.tests.support.fixtures import unblocked
from clinic_project.reconciliation.triggers import Trigger
from medical_records.demo.paintings import paint
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, PatientPhoto

__all__ = ["media", "unblocked"]

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).resolve().parents[1] / "README.md").read_text().split("\n### Two roles\n")[1].split("\n### ")[0]
ON_THE_SERVER, IN_THE_DATABASE, AS_OWNER = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
GROWING = (Path(__file__).resolve().parents[1] / "GROWING.md").read_text()
[INTO_A_SCHEMA] = re.findall(r"```sql\n([^`]*GRANT USAGE ON SCHEMA north.*?)```", GROWING, re.DOTALL)
[REASSIGN] = re.findall(r"`(REASSIGN OWNED .*?;)`", PAGE)

SERVER = Database("postgres")
EMAIL = "amara@clinic.example"

_numbers = itertools.count(1)


class Names:
    """What the page calls clinic, clinic_owner and clinic_web, under names of one test's own."""

    def __init__(self) -> None:
        self.database = f"test_{os.getpid()}_roles_{next(_numbers)}"
        self.owner, self.web = f"{self.database}_owner", f"{self.database}_web"

    def connected(self, role: str | None = None) -> Database:
        return Database(self.database, {"user": role, "password": PASSWORD} if role else {})

    def run(self, database: Database, statements: str) -> None:
        own = re.sub(r"\bclinic(?=_owner|_web|\b)", self.database, statements)
        database.execute(*filter(None, map(str.strip, own.split(";"))))

    def set_passwords(self) -> None:
        """As \\password does."""
        SERVER.execute(*(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'" for role in (self.owner, self.web)))

    def drop(self) -> None:
        drop_database(self.connected())
        for role in (self.owner, self.web, self.database):
            SERVER.execute(f"DROP ROLE IF EXISTS {role}")


@contextmanager
def dropped_after() -> Iterator[Names]:
    names = Names()
    try:
        yield names
    finally:
        names.drop()


@pytest.fixture(scope="module")
def names(unblocked: None) -> Iterator[Names]:
    with dropped_after() as names:
        names.run(SERVER, ON_THE_SERVER)
        names.set_passwords()
        names.run(names.connected(), IN_THE_DATABASE)
        owner = names.connected(names.owner)
        migrated = owner.migrate()
        assert migrated.status == 0, migrated.printed
        names.run(owner, AS_OWNER)
        yield names


@pytest.fixture(scope="module")
def owner(names: Names) -> Database:
    return names.connected(names.owner)


@pytest.fixture
def web(names: Names) -> Iterator[Database]:
    """The database as the server sees it; the tests' clients are served by its role."""
    web = names.connected(names.web)
    with default_connection_to(web):
        yield web


def test_a_day_through_the_api(web, monkeypatch):
    monkeypatch.setenv("CLINIC_PASSWORD", PASSWORD)
    made = web.manage("create_clinic", "Harbour Street", "--email", EMAIL, "--full-name", "Amara Okafor")
    assert made.status == 0, made.printed
    api = APIClient()

    def sends(method: str, path: str, body: object = None, status: int = 200, **options):
        answer = getattr(api, method)(f"/api/{path}", body, **options)
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None

    login = sends("post", "auth/login", {"email": EMAIL, "password": PASSWORD})
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {login['token']}")
    patient = PatientFactory(clinic_id=login["memberships"][0]["clinic"]["id"]).pk
    records, photos = f"clinic/patients/{patient}/medical-records", "clinic/patient-photos"

    template = sends("post", "clinic/medical-record-templates", {"name": "Visit", "fields": []}, 201)["id"]
    new = {"template_id": template, "values": {}}
    record = sends("post", records, new, 201, headers={"Idempotency-Key": "once"})["id"]
    file = SimpleUploadedFile("knee.jpg", paint("skin", 1), "image/jpeg")
    upload = {"patient_id": patient, "file": file, "medical_record_id": record}
    photo = sends("post", photos, upload, 201, format="multipart")["id"]
    changed = sends("patch", f"clinic/medical-records/{record}", {"values": {}, "photo_ids": [photo], "version": 1})
    signed = sends("post", f"clinic/medical-records/{record}/sign", {"version": changed["version"]})
    sends("patch", f"clinic/patient-photos/{photo}", {"description": "Left knee"})
    amends = {"version": signed["version"], "amendment_reason": "Another patient's"}
    sends("delete", f"clinic/medical-records/{record}", amends, 204)
    assert PatientPhoto.objects.get().is_deleted
    restored = sends("post", f"clinic/medical-records/{record}/restore", {"version": signed["version"] + 1})
    sends("delete", f"clinic/medical-records/{record}", {"version": restored["version"]}, 204)
    version = {"version": restored["version"] + 1}
    kept = sends("delete", f"clinic/medical-records/{record}/permanently", version, 409)
    assert kept["type"] == "/problems/retained"
    assert [entry["action"] for entry in sends("get", f"clinic/patients/{patient}/access-log")["results"]] == [
        "change"
    ] * 6
    sends("post", "auth/logout", status=204)


def test_the_admin(web, client):
    client.force_login(UserFactory(superuser=True))
    record = MedicalRecordFactory()
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record)
    for model in admin.site._registry:
        assert (
            client.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")).status_code == 200
        )
    client.post(reverse("admin:medical_records_medicalrecord_delete", args=[record.pk]), {"post": "yes"})
    photo.refresh_from_db()
    assert photo.is_deleted
    client.post(reverse("admin:medical_records_medicalrecord_restore", args=[record.pk]))
    photo.refresh_from_db()
    assert not photo.is_deleted
    page = client.get("/admin/schema/")
    assert page.status_code == 200
    assert "as declared" in page.content.decode()


def test_a_group_of_clinics_in_a_schema_of_its_own(names, owner, monkeypatch):
    monkeypatch.setenv("CLINIC_PASSWORD", PASSWORD)
    owner.execute("CREATE SCHEMA north")
    migrated = owner.manage("migrate_schemas", "north")
    assert migrated.status == 0, migrated.printed
    names.run(owner, INTO_A_SCHEMA + AS_OWNER.replace("SCHEMA public", "SCHEMA north"))
    SERVER.execute(f"ALTER ROLE {names.web} SET search_path = north")
    web = names.connected(names.web)
    made = web.manage("create_clinic", "Hill Road", "--email", "kim@clinic.example", "--full-name", "Kim")
    assert made.status == 0, made.printed
    assert web.value("SELECT name FROM north.clinics") == "Hill Road"
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        web.execute("DELETE FROM audit_history")
    SERVER.execute(f"ALTER ROLE {names.web} RESET search_path")


def test_health(web, client):
    assert client.get("/readyz").json() == {"status": "ready", "degraded": False, "differences": 0}


@pytest.mark.parametrize(
    "command",
    [
        ("purge_trash", "--days", "0"),
        ("clearsessions",),
        ("verify_records",),
        ("check", "--database", "default"),
        ("reconcile", "--check"),
        ("migrate", "--check"),
    ],
    ids=lambda command: command[0],
)
def test_a_command(web, command):
    PatientPhotoFactory(in_trash=True)
    ran = web.manage(*command)
    assert (ran.status, ran.errors) == (0, ""), ran.printed


# What it may not do


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE patient_photos",
        "DROP TABLE patient_photos",
        "ALTER TABLE medical_records DISABLE TRIGGER ALL",
        "CREATE INDEX theirs ON medical_records (id)",
        "CREATE TABLE theirs ()",
        "CREATE SCHEMA theirs",
        "SET session_replication_role = replica",
        "DROP TRIGGER medical_records_keep_signed ON medical_records",
        "ALTER FUNCTION patient_photos_keep_signed() SECURITY INVOKER",
        "DELETE FROM django_migrations",
    ],
)
def test_the_server_refuses_it(web, statement):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        web.execute(statement)


def test_it_only_reads_what_is_append_only_and_adds_who_looked(web):
    append_only = {
        model._meta.db_table
        for model in apps.get_models()
        if any(isinstance(each, Trigger) and each.append_only for each in model._meta.constraints)
    }
    privileges = "SELECT has_table_privilege(%s::regclass, %s)"
    changes = "UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"
    assert [table for table in append_only if web.value(privileges, [table, changes])] == []
    # To destroy is to insert there, and the database does the rest.
    writable = {table for table in append_only if web.value(privileges, [table, "INSERT"])}
    assert writable == {"audit_destructions", "audit_accesses"}


def test_it_destroys_what_need_not_be_kept_and_nothing_else(web):
    moment = timezone.now()
    long_ago = moment.replace(year=moment.year - 8, day=1)
    patient = PatientFactory(birthday=None)
    old = MedicalRecordFactory(patient=patient, created_at=long_ago, is_deleted=True, deleted_at=long_ago)
    new = MedicalRecordFactory(patient=patient, in_trash=True)
    destroy = "INSERT INTO audit_destructions (table_name, row_id) VALUES ('medical_records', {})"
    web.execute(destroy.format(old.pk))
    web.execute(
        "UPDATE medical_records SET created_at = '2000-01-01', updated_at = '2000-01-01', deleted_at = '2000-01-01'"
    )
    with pytest.raises(psycopg2.DatabaseError) as refused:
        web.execute(destroy.format(new.pk))
    assert refused.value.pgcode == ROW_IS_RETAINED
    assert not MedicalRecord.objects.filter(pk=old.pk).exists()
    assert MedicalRecord.objects.filter(pk=new.pk).exists()
    for statement in (
        "DELETE FROM audit_history",
        "INSERT INTO audit_destroyed_entries VALUES (1, '', 1)",
        "UPDATE audit_destructions SET context = 'nobody'",
        "CREATE OR REPLACE FUNCTION retention_ends(timestamptz, date) RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL'",
        "ALTER FUNCTION audit_destroy() SECURITY INVOKER",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            web.execute(statement)


def test_what_later_migrations_create_needs_no_other_grant(web, owner):
    owner.execute("CREATE TABLE later (id serial, number int GENERATED ALWAYS AS IDENTITY)")
    try:
        web.execute("INSERT INTO later DEFAULT VALUES", "UPDATE later SET id = 2", "DELETE FROM later")
    finally:
        owner.execute("DROP TABLE later")


def test_nobody_else_is_let_in(names):
    stranger = f"{names.database}_stranger"
    SERVER.execute(f"CREATE ROLE {stranger} LOGIN PASSWORD '{PASSWORD}'")
    try:
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            names.connected(stranger).connect()
    finally:
        SERVER.execute(f"DROP ROLE {stranger}")


def test_migrate_names_who_may(web, owner, names, client):
    owner.execute("DROP TABLE patient_photos")
    refused = web.migrate()
    assert refused.status == 1
    assert "one thing needs a person's decision before repairs can begin" in refused.errors
    assert "[not-owner]" in refused.errors
    assert f"To do: Run migrate as {names.owner}." in refused.errors
    [problem] = client.get("/readyz").json()["problems"]
    assert (problem["object"], problem["remedy"]) == ("patient_photos", "run manage.py migrate")
    assert owner.migrate().status == 0


# Elsewhere


def test_a_database_that_is_there(unblocked):
    with dropped_after() as names:
        SERVER.execute(
            f"CREATE ROLE {names.database} LOGIN PASSWORD '{PASSWORD}'",
            f"CREATE DATABASE {names.database} OWNER {names.database}",
        )
        names.connected().execute(f"GRANT CREATE ON SCHEMA public TO {names.database}")
        assert names.connected(names.database).migrate().status == 0

        names.run(SERVER, re.sub("CREATE DATABASE.*", "", ON_THE_SERVER))
        names.set_passwords()
        names.run(names.connected(), f"{REASSIGN} {IN_THE_DATABASE}")
        owner = names.connected(names.owner)
        owner.execute("DROP INDEX idx_medical_records_created")
        assert owner.migrate().status == 0
        names.run(owner, AS_OWNER)
        with default_connection_to(names.connected(names.web)):
            assert Client().get("/readyz").json() == {"status": "ready", "degraded": False, "differences": 0}
            MedicalRecordFactory()
