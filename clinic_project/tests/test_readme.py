"""What the README says, where a test can tell whether it is so."""

import re
import shlex
from pathlib import Path

import pytest
from django.apps import apps
from django.db.models import Model

from clinic_project.reconciliation.planning.plan import RefusalCode
from clinic_project.reconciliation.tests.support.terminal import terminal

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_table_of_refusals_has_every_code_once_and_no_other():
    rows = [line for line in section("Refusals").splitlines() if line.startswith("| `")]
    listed = [code for row in rows for code in re.findall(r"`([a-z-]+)`", row.split("|")[1])]
    assert sorted(listed) == sorted(RefusalCode)


def test_links_within_the_readme_lead_to_its_sections():
    anchors = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^## (.+)$", README, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors


def test_links_to_files_lead_to_files():
    links = re.findall(r"\]\(([^)#:]+)\)|src=\"([^\"]+)\"", README)
    assert [path for path in map("".join, links) if not (ROOT / path).exists()] == []


def test_the_data_protection_officer_is_told_of_every_table_that_has_a_patient_s_data():
    told = set(re.findall(r"`([a-z_]+)`", section("For the data protection officer")))
    with_patients = {
        model._meta.db_table
        for model in apps.get_models()
        if any("patient" in name for name in names_in(model))
        or {"table_name", "answer", "object_repr"} & names_in(model)
    }
    assert {"patients", "calendar_events"} | with_patients <= told
    assert {"audit_history", "audit_accesses", "api_idempotency_keys", "django_admin_log"} <= with_patients


def names_in(model: type[Model]) -> set[str]:
    return {field.name for field in model._meta.concrete_fields}


@pytest.mark.slow
def test_the_first_clinic_is_made_as_its_section_shows(empty_database):
    [shown] = re.findall(r"```console\n(.*?)```", section("The first clinic in production"), re.DOTALL)
    _, migrate, create = re.split(r"^\$ python manage\.py ", shown, flags=re.MULTILINE)
    assert empty_database.run(*shlex.split(migrate)).status == 0
    command, *lines = create.splitlines()
    prompts = [line for line in lines if line.endswith(":")]
    with terminal(empty_database, 200, *shlex.split(command)) as screen:
        for prompt in prompts:
            screen.wait_for(prompt)
            screen.press(b"blue-bottle-77\n")
        assert screen.wait() == 0
        assert [line for line in screen.screen if line] == lines
    users = empty_database.rows(
        "SELECT email, is_staff, is_superuser, roles FROM users JOIN user_clinic_associations a ON user_id = users.id"
    )
    assert users == [("amara@clinic.example", True, True, ["admin"])]


FILL = """
from clinic_project.clinics.factories import PatientFactory
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory
patient = PatientFactory()
template = MedicalRecordTemplateFactory(clinic=patient.clinic)
MedicalRecordFactory.create_batch(100, patient=patient, template=template)
"""
DAMAGE = (
    "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL, ALTER is_deleted DROP DEFAULT",
    "UPDATE medical_records SET is_deleted = NULL WHERE id <= 86",
    "ALTER TABLE medical_records ALTER created_at SET DEFAULT '2026-11-22 14:31:23+00'",
    "UPDATE medical_records SET created_at = '2026-11-22 14:31:23+00' WHERE id <= 5",
    "DROP INDEX idx_medical_records_deleted",
    "CREATE INDEX idx_medical_records_deleted ON medical_records (id)",
    "ALTER INDEX idx_medical_records_created RENAME TO ix_medical_records_created_at",
    "ALTER TABLE medical_records DROP CONSTRAINT medical_records_patient_id_a9bed619_fk_patients_id",
    "UPDATE medical_records SET patient_id = 900 WHERE id IN (17, 42)",
    "DROP TABLE patient_photos",
)


@pytest.mark.slow
def test_migrate_prints_on_a_broken_database_what_its_section_shows(empty_database):
    assert empty_database.run("migrate").status == 0
    assert empty_database.run("shell", "-v", "0", "-c", FILL).status == 0
    empty_database.execute(*DAMAGE)
    shown = section("What `migrate` prints on a broken database")
    [block] = re.findall(r"```console\n\$ python manage\.py migrate\n(.*?)```", shown, re.DOTALL)
    broken = empty_database.run("migrate")
    assert broken.status == 1
    # Some lines stand for all between.
    expected = ".*".join(map(re.escape, without_times(block).split("    …\n")))
    assert re.fullmatch(expected, without_times(broken.printed).lstrip(), re.DOTALL)
    empty_database.execute("UPDATE medical_records SET patient_id = (SELECT id FROM patients) WHERE id IN (17, 42)")
    corrected = empty_database.run("migrate").output
    [verified] = re.findall(r"Schema verified: \d+ tables are\sas declared\.", shown)
    assert verified.replace("\n", " ") in corrected
    assert "repair" not in empty_database.run("migrate").output


def without_times(printed: str) -> str:
    return re.sub(r"\d+ ms", "N ms", printed).rstrip()
