"""Imports go one way: between the parts of the project, and between the stages of the engine."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]

#: What the modules of each part may import of this project, besides their own part.
ALLOWED = {
    "clinic_project/reconciliation": (),
    "clinic_project/audit": ("clinic_project.reconciliation",),
    "clinic_project/api": ("clinic_project.audit", "clinic_project.reconciliation"),
    "clinic_project/clinics": ("clinic_project.api", "clinic_project.audit", "clinic_project.reconciliation"),
    "medical_records": (
        *("clinic_project.clinics", "clinic_project.api"),
        *("clinic_project.audit", "clinic_project.reconciliation"),
    ),
}

ENGINE = "clinic_project.reconciliation"

#: The engine's modules and stages, from the lowest to the highest: each imports only those before it.
STAGES = (
    ("sqlstates", "conf", "exceptions", "drivers"),
    ("migration_files",),
    ("schema",),
    ("comparison",),
    ("planning",),
    ("execution",),
    ("server_requirements",),
    ("pipeline",),
    ("widening",),
    ("command_context",),
    ("operations",),
    ("extensions", "django_access"),
    ("migration_history",),
    ("cached_declaration",),
    ("checks", "management", "admin"),
)

#: Stages that can't ask a database: they import each other, the values that they work on, and names of SQLSTATEs.
PURE = ("comparison", "planning")

#: What Django loads as an app, and what models import: no stage imports them.
STANDING_APART = ("apps", "indexes", "triggers")

#: On top of all parts, and imported by none.
SETTINGS_AND_URLS = ("clinic_project.settings", "clinic_project.urls", "clinic_project.wsgi", "clinic_project.asgi")


def modules_of(part: str) -> list[Path]:
    return [
        path for path in (ROOT / part).rglob("*.py") if not {"tests", "conftest.py"} & set(path.relative_to(ROOT).parts)
    ]


def imports_of(path: Path) -> Iterator[str]:
    """Yield the modules that a module imports at run time, and the names that it imports from packages."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in runtime_nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            yield ".".join(part for part in (base, node.module) if part)


def runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from runtime_nodes(node)


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
    standard = {"__future__", *sys.stdlib_module_names}
    others = {
        name.split(".")[0]
        for path in modules_of("clinic_project/reconciliation")
        for name in imports_of(path)
        if not is_within(name, "clinic_project.reconciliation")
    }
    # rich draws the progress bars, and is imported only where one is drawn.
    assert others - standard == {"django", "rich"}


def engine_modules() -> Iterator[tuple[str, Path]]:
    """Yield each module of the engine with its stage."""
    for path in modules_of("clinic_project/reconciliation"):
        yield path.relative_to(ROOT / "clinic_project/reconciliation").with_suffix("").parts[0], path


def stage_of(name: str) -> str:
    return name.removeprefix(f"{ENGINE}.").split(".")[0]


def test_every_module_of_the_engine_has_a_stage():
    known = {stage for stages in STAGES for stage in stages} | {*STANDING_APART, "__init__"}
    assert {stage for stage, _ in engine_modules()} == known


def test_a_stage_imports_only_those_before_it():
    order = {stage: number for number, stages in enumerate(STAGES) for stage in stages}
    backwards = [
        f"{path.relative_to(ROOT)} imports {name}"
        for stage, path in engine_modules()
        if stage in order
        for name in imports_of(path)
        if is_within(name, ENGINE) and stage_of(name) != stage and order.get(stage_of(name), -1) >= order[stage]
    ]
    assert backwards == []


def test_comparison_and_planning_are_pure():
    allowed = (*(f"{ENGINE}.{stage}" for stage in PURE), f"{ENGINE}.schema.model", f"{ENGINE}.sqlstates")
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for stage, path in engine_modules()
        if stage in PURE
        for name in imports_of(path)
        if not is_within(name, *allowed) and name.split(".")[0] not in sys.stdlib_module_names
    ]
    assert found == []


def test_repairs_are_decided_without_the_builder():
    found = {name for path in modules_of("clinic_project/reconciliation/planning/repairs") for name in imports_of(path)}
    assert not {name for name in found if is_within(name, f"{ENGINE}.planning.builder", f"{ENGINE}.planning.planner")}


def test_nobody_imports_what_stands_on_top():
    parts = [part for part in ALLOWED if (ROOT / part).is_dir()]
    found = [name for part in parts for path in modules_of(part) for name in imports_of(path)]
    assert [name for name in found if is_within(name, *SETTINGS_AND_URLS)] == []
