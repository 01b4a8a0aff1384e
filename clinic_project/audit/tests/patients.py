"""A patient whose history is looked at, by their id in the database of a test."""

from typing import Any

from clinic_project.reconciliation.tests.support.databases import Database

TRIGGERS = ("00_patients_history", "00_patients_history_update")


def add_patient(database: Database, name: str = "Ada") -> int:
    sql = "INSERT INTO patients (clinic_id, full_name) VALUES (1, %s) RETURNING id"
    return int(database.value(sql, [name]))


def unrecorded(database: Database, *statements: str) -> None:
    """Run statements while no trigger of patients' history stands, as the owner can."""
    off = [f'ALTER TABLE patients DISABLE TRIGGER "{name}"' for name in TRIGGERS]
    on = [f'ALTER TABLE patients ENABLE ALWAYS TRIGGER "{name}"' for name in TRIGGERS]
    database.execute(*off, *statements, *on)


def entries(database: Database, *columns: str, table: str = "patients") -> list[tuple[Any, ...]]:
    """Return columns of the history of a table, the oldest first."""
    return database.rows(f"SELECT {', '.join(columns)} FROM audit_history WHERE table_name = %s ORDER BY id", [table])
