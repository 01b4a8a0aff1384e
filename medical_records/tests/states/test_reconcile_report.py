"""The report of `reconcile --json`."""

import json
import os
import re
import subprocess
import sys

import pytest

from clinic_project.reconciliation.tests.support.databases import PROJECT_FOLDER, Database

from .tables import MEDICAL_TABLES


class TestReport:
    """`reconcile --json` has the documented keys."""

    def test_json_of_a_broken_database(self, database: Database):
        database.execute("DROP INDEX idx_patient_photos_clinic", "DROP TABLE medical_record_templates CASCADE")
        report = json.loads(database.manage("reconcile", "--json").output)
        assert report["database"] == database.name
        assert report["server_version"]
        assert {"table", "kind", "name", "expected", "actual"} <= report["differences"][0].keys()
        assert {"table", "reason", "sql", "lock", "online"} == report["steps"][0].keys()
        assert {difference["table"] for difference in report["differences"]} >= {MEDICAL_TABLES[0], MEDICAL_TABLES[2]}

    def test_json_of_a_clean_database(self, database: Database):
        report = json.loads(database.manage("reconcile", "--json").output)
        assert [report[key] for key in ("differences", "steps", "refusals", "notes")] == [[], [], [], []]

    def test_reporting_changes_nothing(self, database: Database):
        database.execute("DROP INDEX idx_patient_photos_clinic")
        for option in ("--check", "--plan", "--sql", "--json"):
            database.manage("reconcile", option)
        database.migrate("--plan")
        assert database.value("SELECT to_regclass('idx_patient_photos_clinic') IS NULL")

    def test_every_key_is_documented_and_every_documented_key_is_there(self, database: Database):
        database.execute(
            "DROP INDEX idx_patient_photos_clinic",
            "ALTER TABLE medical_records ALTER template_name TYPE integer USING 1",
            "ALTER TABLE medical_records ADD COLUMN theirs text",
        )
        report = json.loads(database.manage("reconcile", "--json").output)
        readme = (PROJECT_FOLDER / "clinic_project/reconciliation/README.md").read_text()
        section = readme.partition("## The report of `reconcile --json`")[2].partition("\n## ")[0]
        for key, value in report.items():
            (row,) = re.findall(rf"^\| .*`{key}`.* \| (.*) \|$", section, re.MULTILINE)
            if isinstance(value, list):
                documented = re.findall(r"`(\w+)`", row.partition("objects with ")[2].partition(".")[0])
                assert documented == list(value[0]), key

    @pytest.mark.parametrize("options", [(), ("--check",), ("--plan",), ("--verbosity=3",), ("--force-color",)])
    def test_the_standard_output_is_json_alone_in_any_encoding(self, options: tuple[str, ...], database: Database):
        name = 'Ærø\n"quoted" \\ \u2028 😷'
        quoted = '"{}"'.format(name.replace('"', '""'))
        database.execute(
            f"ALTER TABLE medical_records ADD COLUMN {quoted} int NOT NULL DEFAULT 1",
            f"CREATE INDEX {quoted} ON patient_photos (id)",
            f"CREATE DOMAIN {quoted.replace('Æ', 'D')} AS text",
            f"ALTER TABLE patient_photos ALTER filename TYPE {quoted.replace('Æ', 'D')}",
            "ALTER TABLE medical_records ALTER created_at SET DEFAULT '2026-01-01'",
        )
        ran = subprocess.run(
            [sys.executable, "manage.py", "reconcile", "--json", *options],
            cwd=PROJECT_FOLDER,
            env={
                **os.environ,
                "DATABASE_URL": database.url,
                "SECRET_KEY": "only for tests " * 4,
                "PYTHONIOENCODING": "ascii",
            },
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert ran.returncode == ("--check" in options), ran.stderr
        report = json.loads(ran.stdout.decode("ascii"))
        assert any(name in note["text"] for note in report["notes"])
        assert [refusal["code"] for refusal in report["refusals"]] == ["column-type"]
        assert all(isinstance(statement, str) for refusal in report["refusals"] for statement in refusal["statements"])

    def test_it_says_why_the_database_cant_be_compared(self, database: Database):
        database.execute(f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')
        outcome = database.manage("reconcile", "--json")
        (refusal,) = json.loads(outcome.output)["refusals"]
        assert (outcome.status, refusal["code"]) == (1, "read-only")
        assert refusal["reason"] in outcome.errors
