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
