"""The parts stand on each other in one direction only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]

#: What the modules of each part may import of this project, besides their own part.
ALLOWED = {
    "clinic_project/reconciliation": (),
    "clinic_project/api": ("clinic_project.reconciliation",),
    "clinic_project/clinics": ("clinic_project.api", "clinic_project.reconciliation"),
    "medical_records": ("clinic_project.clinics", "clinic_project.api", "clinic_project.reconciliation"),
}

#: What stands on top, and is imported by nobody.
SETTINGS_AND_URLS = ("clinic_project.settings", "clinic_project.urls", "clinic_project.wsgi", "clinic_project.asgi")


def modules_of(part: str) -> list[Path]:
    return [
        path for path in (ROOT / part).rglob("*.py") if not {"tests", "conftest.py"} & set(path.relative_to(ROOT).parts)
    ]


def imports_of(path: Path) -> Iterator[str]:
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            yield ".".join(part for part in (base, node.module) if part)


def is_within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_those_below_it(part: str):
    own = part.replace("/", ".")
    ours = [(path, name) for path in modules_of(part) for name in imports_of(path)]
    assert ours, "the walk found nothing"
    strays = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, name in ours
        if is_within(name, "clinic_project", "medical_records") and not is_within(name, own, *ALLOWED[part])
    ]
    assert strays == []


def test_reconciliation_imports_django_alone():
    standard = {"__future__", *__import__("sys").stdlib_module_names}
    others = {
        name.split(".")[0]
        for path in modules_of("clinic_project/reconciliation")
        for name in imports_of(path)
        if not is_within(name, "clinic_project.reconciliation")
    }
    # rich draws the progress bars, and is imported only where one is drawn.
    assert others - standard == {"django", "rich"}


def test_nobody_imports_what_stands_on_top():
    parts = [part for part in ALLOWED if (ROOT / part).is_dir()]
    found = [name for part in parts for path in modules_of(part) for name in imports_of(path)]
    assert [name for name in found if is_within(name, *SETTINGS_AND_URLS)] == []
