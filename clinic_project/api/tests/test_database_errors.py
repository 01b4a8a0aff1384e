"""What the database lacks or refuses: 503 that says which, when to come again, and nothing of the row."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from clinic_project.api.models import IdempotencyKey
from clinic_project.clinics.factories import PASSWORD, PatientFactory
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.tests.photos.image_files import plain

TEMPLATES = "/api/clinic/medical-record-templates"
RECORDS = "/api/clinic/medical-records"
PHOTOS = "/api/clinic/patient-photos"


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def record(clinic):
    return MedicalRecordFactory(patient__clinic=clinic)


@pytest.fixture
def change(api, record):
    """Send a change of the record; return the problem that it meets with."""

    def send(status=503):
        response = api.patch(f"{RECORDS}/{record.pk}", {"values": {}, "version": record.version})
        assert response.status_code == status, response.content
        assert status != 503 or int(response["Retry-After"]) > 0
        return response.json()

    return send


def test_a_read_only_database_is_read_and_not_written(api, record, change):
    run("SET CONSTRAINTS ALL IMMEDIATE", "SET TRANSACTION READ ONLY")
    assert change()["title"] == "The database is read-only"
    assert api.get(f"{RECORDS}/{record.pk}").status_code == 200


def test_nobody_logs_in_where_nothing_can_be_written(client, member):
    run("SET CONSTRAINTS ALL IMMEDIATE", "SET TRANSACTION READ ONLY")
    body = {"email": member.user.email, "password": PASSWORD}
    response = client.post("/api/auth/login", body, content_type="application/json")
    assert (response.status_code, response.json()["title"]) == (503, "The database is read-only")


def test_what_takes_too_long_is_told_as_that(change):
    run("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(5); RETURN NEW; END'")
    run("CREATE TRIGGER slow BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION slow()")
    run("SET LOCAL statement_timeout = '100ms'")
    assert change()["title"] == "The database is too slow"


def test_a_lock_that_isnt_given_in_time_is_told_as_that(change):
    run("CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE lock_not_available; END $$")
    run("CREATE TRIGGER held BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION held()")
    assert change()["title"] == "The database is too slow"


def test_a_missing_privilege_is_told_as_that(change):
    run("CREATE ROLE narrow", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO narrow", "SET LOCAL ROLE narrow")
    assert change()["title"] == "The database doesn't permit it"


IN_THE_WAY = "Another system's object is in the way"


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("ALTER TABLE {table} ADD theirs int NOT NULL", "column theirs of table {table}"),
        ("ALTER TABLE {table} ADD CONSTRAINT theirs CHECK (id < 0) NOT VALID", "constraint theirs of table {table}"),
        ("CREATE UNIQUE INDEX theirs ON {table} ((clinic_id > 0))", "constraint theirs of table {table}"),
        ("ALTER TABLE {table} ADD CONSTRAINT theirs EXCLUDE (clinic_id WITH =)", "constraint theirs of table {table}"),
        ("ALTER TABLE {table} ALTER deleted_at SET NOT NULL", "column deleted_at of table {table}"),
    ],
)
def test_what_another_system_requires_is_named_and_what_was_sent_isnt(api, clinic, statement, named):
    table = "medical_record_templates"
    if "UNIQUE" in statement or "EXCLUDE" in statement:
        MedicalRecordTemplateFactory(clinic=clinic)
    run("SET CONSTRAINTS ALL IMMEDIATE", statement.format(table=table))
    response = api.post(TEMPLATES, {"name": "Jane Doe", "fields": []})
    assert response.status_code == 503, response.content
    assert response.json()["title"] == IN_THE_WAY
    assert named.format(table=table) in response.json()["detail"]
    assert b"Jane" not in response.content


@pytest.mark.parametrize(
    "body",
    [
        "RAISE 'no'",
        "RAISE 'no' USING ERRCODE = 'check_violation'",
        "RAISE 'no' USING ERRCODE = 'ZZ123'",
        "PERFORM 1 / 0",
        "PERFORM 1 FROM their_lost_table",
        "PERFORM their_lost_function()",
        "ASSERT false",
    ],
)
def test_whatever_another_systems_trigger_raises_is_its_own(change, body):
    run(f"CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NEW; END $$")
    run("CREATE TRIGGER theirs BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION theirs()")
    assert change()["title"] == IN_THE_WAY


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("DELETE FROM audit_history", "history-is-append-only"),
        ("UPDATE audit_history_seals SET entry_count = 0", "history-is-append-only"),
        ("DELETE FROM audit_accesses", "history-is-append-only"),
        ("TRUNCATE patient_photos", "history-would-be-lost"),
    ],
)
def test_what_our_own_triggers_refuse_is_a_conflict(change, record, body, kind):
    run(f"CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NEW; END $$")
    run("CREATE TRIGGER theirs BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION theirs()")
    problem = change(status=409)
    assert (problem["type"], set(problem)) == (f"/problems/{kind}", {"type", "title", "status", "detail", "instance"})
    record.refresh_from_db()
    assert record.version == 1


def test_another_systems_rule_is_told_as_well(api):
    run("CREATE RULE theirs AS ON INSERT TO medical_record_templates DO INSTEAD NOTHING")
    response = api.post(TEMPLATES, {"name": "x", "fields": []})
    assert (response.status_code, response.json()["title"]) == (503, IN_THE_WAY)


@pytest.mark.parametrize("event", ["INSERT", "UPDATE", "DELETE"])
@pytest.mark.parametrize("table", ["medical_record_templates", "medical_records", "patient_photos"])
def test_what_another_systems_trigger_leaves_out_in_silence_is_told(api, clinic, event, table, no_retention):
    patient = PatientFactory(clinic=clinic)
    record = MedicalRecordFactory(patient=patient)
    trashed = MedicalRecordFactory(patient=patient, in_trash=True)
    photo = PatientPhotoFactory(patient=patient)
    run("CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    run(f"CREATE TRIGGER theirs BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION theirs()")
    before = everything()
    records = f"/api/clinic/patients/{patient.pk}/medical-records"
    upload = {"patient_id": patient.pk, "file": SimpleUploadedFile("a.jpg", plain())}
    requests = {
        ("INSERT", "medical_record_templates"): [lambda: api.post(TEMPLATES, {"name": "x", "fields": []})],
        ("INSERT", "medical_records"): [lambda: api.post(records, {"template_id": record.template_id, "values": {}})],
        ("INSERT", "patient_photos"): [lambda: api.post(PHOTOS, upload, format="multipart")],
        ("UPDATE", "medical_record_templates"): [
            lambda: api.patch(f"{TEMPLATES}/{record.template_id}", {"version": 1}),
            lambda: api.delete(f"{TEMPLATES}/{record.template_id}", {"version": 1}),
        ],
        ("UPDATE", "medical_records"): [
            lambda: api.patch(f"{RECORDS}/{record.pk}", {"version": 1}),
            lambda: api.post(f"{RECORDS}/{trashed.pk}/restore", {"version": 1}),
        ],
        ("UPDATE", "patient_photos"): [
            lambda: api.patch(f"{PHOTOS}/{photo.pk}", {"description": "x"}),
            lambda: api.delete(f"{PHOTOS}/{photo.pk}"),
            lambda: api.patch(f"{RECORDS}/{record.pk}", {"photo_ids": [photo.pk], "version": 1}),
        ],
        ("DELETE", "medical_records"): [lambda: api.delete(f"{RECORDS}/{trashed.pk}/permanently", {"version": 1})],
    }
    for send in requests.get((event, table), []):
        response = send()
        assert (response.status_code, response.json()["title"]) == (503, IN_THE_WAY), response.content
    assert everything() == before


def everything():
    models = (MedicalRecordTemplate, MedicalRecord, PatientPhoto)
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_another_systems_table_that_refers_to_a_record_keeps_it(api, record, no_retention):
    run(
        "CREATE TABLE invoices (record int REFERENCES medical_records)",
        f"INSERT INTO invoices VALUES ({record.pk})",
    )
    url = f"{RECORDS}/{record.pk}"
    assert api.delete(url, {"version": 1}).status_code == 204
    response = api.delete(f"{url}/permanently", {"version": 2})
    assert (response.status_code, response.json()["title"]) == (503, IN_THE_WAY)
    assert "invoices_record_fkey" in response.json()["detail"]
    assert MedicalRecord.objects.filter(pk=record.pk).exists()


@pytest.mark.parametrize("is_renamed", [False, True])
@pytest.mark.django_db(transaction=True)
def test_a_reference_of_ours_that_breaks_is_a_conflict_whatever_its_name(api, clinic, monkeypatch, is_renamed):
    """The template is removed for good between its check and the commit."""
    from medical_records import services

    if is_renamed:  # as another system made it, before `migrate` has renamed it
        editor = connection.schema_editor()
        [name] = editor._constraint_names(MedicalRecord, ["template_id"], foreign_key=True)
        run(f"ALTER TABLE medical_records RENAME CONSTRAINT {name} TO theirs")
    template = MedicalRecordTemplateFactory(clinic=clinic)
    url = f"/api/clinic/patients/{PatientFactory(clinic=clinic).pk}/medical-records"
    checked_values = services.checked_values

    def removed_meanwhile(*args):
        type(template).objects.all().delete()
        return checked_values(*args)

    monkeypatch.setattr(services, "checked_values", removed_meanwhile)
    response = api.post(url, {"template_id": template.pk, "values": {}})
    assert (response.status_code, response.json()["type"]) == (409, "/problems/conflict")


# Ids and versions


def test_a_version_that_is_used_up_isnt_the_clients_mistake(record, change):
    record.version = 2**31 - 1
    record.save()
    assert change()["title"] == "The numbers are used up"


def test_ids_that_are_used_up_arent_the_clients_mistake(api):
    run("ALTER TABLE medical_record_templates ALTER id RESTART WITH 2147483647")
    assert api.post(TEMPLATES, {"name": "The last", "fields": []}).status_code == 201
    response = api.post(TEMPLATES, {"name": "x", "fields": []})
    assert (response.status_code, response.json()["title"]) == (503, "The numbers are used up")


def test_a_sequence_that_is_behind_isnt_the_clients_mistake(api, clinic):
    template = MedicalRecordTemplateFactory(clinic=clinic)
    run("SET CONSTRAINTS ALL IMMEDIATE", f"ALTER TABLE medical_record_templates ALTER id RESTART WITH {template.pk}")
    response = api.post(TEMPLATES, {"name": "x", "fields": []})
    assert response.status_code == 503
    assert "medical_record_templates_pkey" in response.json()["detail"]


def test_a_refusal_leaves_no_idempotency_key_behind(api):
    run("ALTER TABLE medical_record_templates ADD CONSTRAINT theirs CHECK (id < 0) NOT VALID")
    for _ in range(2):
        response = api.post(TEMPLATES, {"name": "x", "fields": []}, headers={"Idempotency-Key": "one"})
        assert response.status_code == 503
    assert not IdempotencyKey.objects.exists()
