"""What the package's README says, where a test can tell without a database whether it is so."""

import re
from dataclasses import asdict
from pathlib import Path

from ...conf import Budgets
from ...planning.plan import RefusalCode
from .test_imports import STAGES

README = (Path(__file__).parents[2] / "README.md").read_text()


def rows(title: str) -> list[list[str]]:
    """Return the cells of the section's table, below its head."""
    section = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_setting_is_listed_with_its_default():
    listed = {key.strip("`"): default.strip("`") for key, default, _ in rows("Settings")}
    assert listed == {"apps": "[]", "ignore": "[]", **{key: f"{value:g}" for key, value in asdict(Budgets()).items()}}


def test_every_code_of_a_refusal_is_listed_once():
    assert sorted(re.findall(r"`([a-z-]+)`", " ".join(codes for _, codes in rows("What it refuses")))) == sorted(
        RefusalCode
    )


def test_every_module_has_its_place_in_the_architecture():
    named = set(re.findall(r"`([a-z_]+)(?:\.py|/)`", " ".join(cells[0] for cells in rows("Architecture"))))
    assert named == {stage for stages in STAGES for stage in stages} | {"indexes", "triggers"}


def test_it_can_be_read_without_the_repository():
    anchors = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^## (.+)$", README, re.MULTILINE)
    }
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert {link.removeprefix("#") for link in links} <= anchors
