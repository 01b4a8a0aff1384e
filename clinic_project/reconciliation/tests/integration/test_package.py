"""The installed package: what is in its wheel, and a project that nobody here has seen adopts it by its README."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import django
import pytest

from ..support.catalog import differences, nothing, read_catalog
from ..support.databases import PROJECT_FOLDER, Database, server_parameters, temporary_database
from ..support.fingerprints import fingerprints, lost_or_changed

pytestmark = pytest.mark.slow  # each waits for pip

ENGINE = PROJECT_FOLDER / "clinic_project/reconciliation"
README = (ENGINE / "README.md").read_text()

MODELS = """
from django.db import models


class Customer(models.Model):
    email = models.EmailField(unique=True)


class Product(models.Model):
    name = models.CharField(max_length=100)
    in_stock = models.BooleanField(default=True)


class Order(models.Model):
    customer = models.ForeignKey(Customer, models.PROTECT)
    product = models.ForeignKey(Product, models.PROTECT)
    placed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["placed_at"], name="shop_order_placed")]
"""

ROWS = """
INSERT INTO shop_customer (email) SELECT n || '@example.org' FROM generate_series(1, 40) AS n;
INSERT INTO shop_product (name, in_stock) SELECT 'Product ' || n, n % 4 > 0 FROM generate_series(1, 300) AS n;
INSERT INTO shop_order (customer_id, product_id, placed_at)
SELECT 1 + n % 40, 1 + n % 300, timestamptz '2026-01-01' + n * interval '1 hour' FROM generate_series(1, 500) AS n;
"""

BACKFILLED = {"shop_product.in_stock": "true"}

HIDDEN_CURSOR = "\x1b[?25l"

DAMAGE = (
    "DROP TABLE django_session",
    "ALTER TABLE shop_customer DROP CONSTRAINT shop_customer_email_key",
    "ALTER TABLE shop_product ALTER in_stock DROP NOT NULL",
    "UPDATE shop_product SET in_stock = NULL WHERE in_stock AND id % 3 = 0",
    "ALTER INDEX shop_order_product_id_0eef2166 RENAME TO ix_order_product",
    # It is meant.
    "DROP INDEX shop_order_placed",
    "CREATE INDEX shop_order_placed ON shop_order USING brin (placed_at)",
)


def database_settings() -> str:
    """Return the settings of the project on the tests' server; its database is named by the environment."""
    server = {key.upper(): str(value) for key, value in server_parameters().items()}
    return f"""
import os

DATABASES = {{"default": {{"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["DATABASE"], **{server!r}}}}}
INSTALLED_APPS += ["shop"]
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment, in which shell commands are run as a person would."""

    folder: Path

    def run(self, command: str, cwd: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
        # Not those of these tests, which name another project, and another driver.
        ours = ("PYTHON", "DJANGO", "DATABASE", "COVERAGE")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-c", command],
            cwd=cwd,
            env={**inherited, "PATH": path, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, command: str, cwd: Path, **variables: str) -> str:
        ran = self.run(command, cwd, **variables)
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
        return ran.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What of this repository might get into a wheel, in a folder of its own: pip leaves its work beside it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("clinic_project", "medical_records"):
        shutil.copytree(PROJECT_FOLDER / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE", "README.md", "manage.py"):
        shutil.copy(PROJECT_FOLDER / name, folder)
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """It has Django, and the driver that this project doesn't use: psycopg 3."""
    made = Environment(tmp_path_factory.mktemp("environment"))
    subprocess.run([sys.executable, "-m", "venv", made.folder], check=True)
    install = f'python -m pip install --quiet "django=={django.__version__}" "psycopg[binary]" "setuptools>=77"'
    installed = made.run(install, made.folder)
    if installed.returncode != 0 and not os.environ.get("CI"):
        pytest.skip(f"pip can't install from here: {installed.stderr[-200:]}")
    assert installed.returncode == 0, installed.stderr
    return made


def test_the_wheel_has_the_engine_and_nothing_else(environment: Environment, checkout: Path, tmp_path: Path):
    environment.output(f"python -m pip wheel --quiet --no-deps --no-build-isolation -w '{tmp_path}' .", checkout)
    (path,) = tmp_path.iterdir()
    with zipfile.ZipFile(path) as wheel:
        found = {name for name in wheel.namelist() if ".dist-info/" not in name}
        information = {name.partition("/")[2]: name for name in wheel.namelist() if ".dist-info/" in name}
        header, _, description = wheel.read(information["METADATA"]).decode().partition("\n\n")

    files = {path.relative_to(ENGINE) for path in ENGINE.rglob("*") if path.is_file()}
    engine = {path for path in files if not {"tests", "__pycache__"} & set(path.parts)}
    assert found == {f"django_reconciliation/{path}" for path in engine}
    assert {"django_reconciliation/py.typed", "django_reconciliation/static/reconciliation/schema.css"} <= found

    assert "licenses/LICENSE" in information
    assert "Name: django-reconciliation\n" in header
    assert "Requires-Python: >=3.11\n" in header
    assert re.findall(r"^Requires-Dist: (.*)$", header, re.MULTILINE) == ["Django>=5.2", 'rich>=13; extra == "rich"']
    assert description.strip() == README.strip()


# Adopting it


@dataclass(frozen=True)
class Project:
    """A project with an app of three models. `made` is its database after Django's own migrate, `broken` a damaged copy."""

    folder: Path
    environment: Environment
    made: Database
    broken: Database

    def output(self, command: str, **variables: str) -> str:
        """Return what a command prints that has to succeed, with the broken database."""
        return self.environment.output(command, self.folder, DATABASE=self.broken.name, **variables)

    def on_a_terminal(self, command: str) -> str:
        return self.output(f"script --quiet --return --command '{command}' /dev/null")

    def add_settings(self, text: str) -> None:
        with (self.folder / "site_of_a_shop/settings.py").open("a") as settings:
            settings.write(text)


@pytest.fixture
def project(environment: Environment, unblocked: None, tmp_path: Path) -> Iterator[Project]:
    environment.output("django-admin startproject site_of_a_shop . && python manage.py startapp shop", tmp_path)
    with temporary_database() as made:
        (tmp_path / "shop/models.py").write_text(MODELS)
        with (tmp_path / "site_of_a_shop/settings.py").open("a") as settings:
            settings.write(database_settings())
        environment.output(
            "python manage.py makemigrations shop && python manage.py migrate", tmp_path, DATABASE=made.name
        )
        made.execute(ROWS)
        with temporary_database(made.name) as broken:
            broken.execute(*DAMAGE)
            yield Project(tmp_path, environment, made, broken)


def test_a_project_adopts_it_by_following_the_readme(project: Project, checkout: Path):
    rows = fingerprints(project.broken, BACKFILLED)
    looked, looked_again, migrated, checked = _followed(project, checkout)

    assert "  shop_order.shop_order_placed\n    declared  USING btree (placed_at)\n" in looked
    assert "shop_order: build shop_order_placed" in looked
    assert "shop_order: build shop_order_placed" not in looked_again
    assert "  shop_order.shop_order_placed: ignored, as RECONCILIATION says" in looked_again
    (_, example), *_ = blocks(README)
    assert is_shown(example.partition("\n")[2], migrated), migrated
    assert "tables, apart from 1 difference that RECONCILIATION ignores." in checked

    tables = [name for (name,) in project.made.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    declared, actual = (read_catalog(database, tables) for database in (project.made, project.broken))
    assert [text for text in differences(declared, actual, nothing) if "shop_order_placed" not in text] == []
    assert lost_or_changed(project.broken, rows, BACKFILLED) == []

    _tells_progress_in_lines(project)
    _draws_bars_with_rich(project, checkout)
    _has_a_page_in_the_admin(project)
    _needs_no_other_settings(project)


def _followed(project: Project, checkout: Path) -> list[str]:
    """Do what the README says about adopting, in its order. Return what each command of manage.py printed."""
    printed = []
    for language, block in blocks(section("Adopt it")):
        if language == "python":
            project.add_settings(block)
            continue
        for command in commands(block):
            if "pip install" in command:
                project.environment.output(command, checkout)
            else:
                printed.append(project.output(command))
    return printed


def _tells_progress_in_lines(project: Project) -> None:
    assert project.environment.run("python -c 'import rich'", project.folder).returncode == 1
    project.broken.execute("DROP INDEX shop_order_customer_id_f638df20")
    printed = project.on_a_terminal("python manage.py migrate")
    assert re.search(r"shop_order: build shop_order_customer_id_f638df20 \(\d+ ms\)", printed), printed
    assert "Schema verified:" in printed
    assert HIDDEN_CURSOR not in printed


def _draws_bars_with_rich(project: Project, checkout: Path) -> None:
    (command,) = re.findall(r'`(python -m pip install "\.\[rich\]")`', README)
    project.environment.output(command, checkout)
    project.broken.execute("DROP INDEX shop_order_customer_id_f638df20")
    printed = project.on_a_terminal("python manage.py migrate")
    assert HIDDEN_CURSOR in printed
    assert "Schema verified:" in printed


def _has_a_page_in_the_admin(project: Project) -> None:
    (config,) = re.findall(r"^`(\S+)` in INSTALLED_APPS, in place of `django.contrib.admin`", README, re.MULTILINE)
    project.add_settings(f'INSTALLED_APPS[INSTALLED_APPS.index("django.contrib.admin")] = "{config}"\n')
    project.add_settings('ALLOWED_HOSTS = ["testserver"]\n')
    (project.folder / "page.py").write_text(
        "from django.contrib.auth.models import User\n"
        "from django.test import Client\n"
        "client = Client()\n"
        'client.force_login(User.objects.create_superuser("superuser"))\n'
        'page = client.get("/admin/schema/")\n'
        "print(page.status_code, page.content.decode())\n"
    )
    page = project.output("python manage.py shell < page.py")
    assert "200 <!DOCTYPE html>" in page
    assert "The schema is as declared" in page


def _needs_no_other_settings(project: Project) -> None:
    """Neither the admin nor content types, templates or a time zone."""
    opting_in = next(block for language, block in blocks(section("Adopt it")) if language == "python")
    settings = f'SECRET_KEY = "only for tests"\nINSTALLED_APPS = []\n{database_settings()}{opting_in}'
    (project.folder / "bare.py").write_text(settings)
    printed = project.output("python manage.py reconcile --plan", DJANGO_SETTINGS_MODULE="bare")
    assert "shop_order: build shop_order_placed" in printed


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def blocks(text: str) -> list[tuple[str, str]]:
    """Return the blocks of code, each with its language."""
    return re.findall(r"^```(console|python)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[str]:
    return [line.removeprefix("$ ").partition("  #")[0] for line in block.splitlines() if line.startswith("$ ")]


def is_shown(example: str, printed: str) -> bool:
    """Whether the lines of an example were printed in this order, whatever the times; "…" stands for any lines."""
    lines = [re.sub(r"\d+\\ ms", r"[0-9.]+ m?s", re.escape(line)) for line in example.splitlines()]
    return (
        re.search("\n".join(".*" if line.strip("\\ ") == "…" else line for line in lines), printed, re.DOTALL)
        is not None
    )
