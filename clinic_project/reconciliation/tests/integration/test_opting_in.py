"""What `migrate` does where no app is opted in, and in a database that isn't PostgreSQL."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connections, migrations, models
from django.db.migrations.state import ProjectState
from django.test import modify_settings, override_settings

from ...cached_declaration import inspect_database
from ...exceptions import Unsupported
from ...operations import ReconcileSchema
from ..support.databases import Database

BY_HAND = "clinic_project.reconciliation.tests.oddities"


@pytest.fixture
def sqlite(unblocked: None, tmp_path: Path) -> Iterator[str]:
    """The alias of an SQLite database."""
    connections.databases["other"] = connections.configure_settings(
        {"default": {}, "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "other")}}
    )["other"]
    try:
        yield "other"
    finally:
        connections["other"].close()
        del connections["other"], connections.databases["other"]


# No app is opted in


@pytest.fixture
def nobody(unblocked: None) -> Iterator[None]:
    """Only Django's own apps are installed, and none is opted in."""
    with override_settings(
        RECONCILIATION={},
        INSTALLED_APPS=["clinic_project.reconciliation", "django.contrib.contenttypes", "django.contrib.sessions"],
        DATABASE_ROUTERS=[],
    ):
        yield


def test_migrate_says_that_it_compared_nothing(nobody: None, empty_database: Database):
    outcome = empty_database.migrate("--skip-checks")
    assert outcome.status == 0, outcome.printed
    assert "Applying sessions.0001_initial... OK" in outcome.output
    assert "No table was compared, and none is kept as declared: no app is opted in. Name apps" in outcome.output
    assert "verified" not in outcome.output


@pytest.mark.parametrize("arguments", [("reconcile",), ("reconcile", "--plan"), ("migrate", "--plan", "--skip-checks")])
def test_so_does_whoever_looks(nobody: None, empty_database: Database, arguments: tuple[str, ...]):
    outcome = empty_database.manage(*arguments)
    assert outcome.status == 0, outcome.printed
    assert "No table was compared" in outcome.output


def test_one_line_opts_an_app_in(nobody: None, empty_database: Database):
    assert empty_database.migrate("--skip-checks").status == 0
    empty_database.execute("DROP INDEX django_session_expire_date_a5c62663")
    with override_settings(RECONCILIATION={"apps": ["sessions"]}):
        outcome = empty_database.migrate("--skip-checks")
    assert outcome.status == 0, outcome.printed
    assert "Schema verified: 1 table is as declared." in outcome.output
    assert empty_database.value("SELECT to_regclass('django_session_expire_date_a5c62663') IS NOT NULL")


def test_a_wrong_setting_is_told_without_a_traceback(empty_database: Database):
    with override_settings(RECONCILIATION={"ignore": "django_session.expire_date"}):
        outcome = empty_database.migrate()
    assert outcome.status == 1
    assert 'CommandError: RECONCILIATION["ignore"]: expected a list' in outcome.errors


def test_an_ignored_label_that_no_difference_has_is_a_warning(nobody: None, empty_database: Database):
    assert empty_database.migrate("--skip-checks").status == 0
    with override_settings(RECONCILIATION={"apps": ["sessions"], "ignore": ["django_session.expires"]}):
        for arguments in (("migrate", "--skip-checks"), ("reconcile",)):
            outcome = empty_database.manage(*arguments)
            assert outcome.status == 0, outcome.printed
            assert 'Warning: django_session.expires: is in RECONCILIATION["ignore"], but nothing' in outcome.errors
        for options in (("contenttypes",), ("--verbosity", "0")):
            assert "django_session.expires" not in empty_database.migrate(*options, "--skip-checks").printed
        report = json.loads(empty_database.manage("reconcile", "--json").output)
        assert [(note["code"], note["name"]) for note in report["notes"]] == [
            ("ignore-unmatched", "django_session.expires")
        ]


# Other vendors


def test_another_vendors_database_is_djangos(sqlite: str):
    output = io.StringIO()
    with modify_settings(INSTALLED_APPS={"append": BY_HAND}), override_settings(RECONCILIATION={"apps": "*"}):
        call_command("migrate", "sessions", database=sqlite, stdout=output)
    assert output.getvalue().splitlines()[-1].startswith("  Applying sessions.0001_initial... OK")
    assert "verified" not in output.getvalue()
    assert "django_session" in connections[sqlite].introspection.table_names()


def test_reconcile_says_that_it_is_for_postgresql(sqlite: str):
    with pytest.raises(CommandError, match=r"Expected a PostgreSQL database, found sqlite \(other\)\."):
        call_command("reconcile", database=sqlite)
    with pytest.raises(Unsupported, match="found sqlite"):
        inspect_database(sqlite)


def test_reconcile_schema_does_there_what_its_operations_do(sqlite: str):
    operation = ReconcileSchema(
        [
            migrations.CreateModel("Owl", [("id", models.AutoField(primary_key=True))]),
            migrations.AddField("owl", "name", models.TextField(default="")),
        ]
    )
    before, after = ProjectState(), ProjectState()
    operation.state_forwards("forest", after)
    forest = connections[sqlite]
    with forest.schema_editor() as editor:
        operation.database_forwards("forest", editor, before, after)
    with forest.cursor() as cursor:
        cursor.execute("INSERT INTO forest_owl (name) VALUES ('Strix')")
    with forest.schema_editor() as editor:
        operation.database_backwards("forest", editor, after, before)
    assert "forest_owl" not in forest.introspection.table_names()


# One copy


def test_two_copies_of_the_package_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The folder of a project, and the installed package."""
    (tmp_path / "copied_reconciliation").symlink_to(Path(__file__).parents[2])
    monkeypatch.syspath_prepend(tmp_path)
    expected = "once, found it as clinic_project.reconciliation and as copied_reconciliation. Keep one of them"
    with (
        pytest.raises(ImproperlyConfigured, match=expected),
        modify_settings(INSTALLED_APPS={"append": "copied_reconciliation"}),
    ):
        pass
