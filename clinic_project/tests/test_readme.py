"""What the README says, where a test can tell whether it is so."""

import re
import shlex
from pathlib import Path

import pytest

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
