"""The report of `reconcile --json`."""

import json

from clinic_project.reconciliation.tests.support.databases import Database

from .tables import MEDICAL_TABLES


class TestReport:
    """`reconcile --json` has the documented keys."""

    def test_json_of_a_broken_database(self, database: Database):
        database.execute("DROP INDEX idx_patient_photos_clinic", "DROP TABLE medical_record_templates CASCADE")
        report = json.loads(database.manage("reconcile", "--json").output)
        assert report["database"] == database.name
        assert report["server_version"]
        assert {"table", "kind", "name", "expected", "actual"} <= report["differences"][0].keys()
        assert {"sql", "lock", "online", "reason"} <= report["steps"][0].keys()
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
