"""What the README says, where a test can tell whether it is so."""

import re
from pathlib import Path

from clinic_project.reconciliation.planning.plan import RefusalCode

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
