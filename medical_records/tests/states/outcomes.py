"""The two outcomes that `manage.py migrate` may have: it converges, or it refuses and names the object."""

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clinic_project.reconciliation.tests.support.catalog import Catalog, Key, differences, nothing, read_catalog
from clinic_project.reconciliation.tests.support.databases import Database, Outcome
from clinic_project.reconciliation.tests.support.fingerprints import (
    Backfilled,
    fingerprints,
    lost_or_changed,
    nulls_left,
)
from clinic_project.reconciliation.tests.support.idempotence import assert_changes_nothing

from .tables import TABLES

MIGRATIONS = {
    ("clinics", "0001_initial"),
    ("clinics", "0002_indexes_of_lists"),
    ("clinics", "0003_history"),
    ("medical_records", "0001_add_medical_record_system"),
    ("medical_records", "0002_indexes_of_lists"),
    ("medical_records", "0003_history"),
    ("medical_records", "0004_signing"),
}


@dataclass(frozen=True)
class Expectations:
    """Assertions that compare a database with the catalog of a clean one."""

    clean: Catalog

    def converges(
        self,
        database: Database,
        *,
        keeping: Callable[[Key], bool] = nothing,
        backfilled: Backfilled | None = None,
        schema: str = "public",
        inserts: bool = True,
    ) -> Outcome:
        """Migrate, and fail unless the schema is then the declared one with every row as it was.

        `keeping` says which undeclared objects may stay, and `backfilled` with what which columns' NULLs are replaced;
        without `inserts` no row is inserted as another program would (where an undeclared object rejects it).
        """
        backfilled = backfilled or {}
        before = fingerprints(database, backfilled)
        undeclared = self._undeclared(database, keeping, schema)
        outcome = database.migrate()
        assert outcome.status == 0, outcome.printed
        self.is_declared(database, keeping, schema)
        assert lost_or_changed(database, before, backfilled) == []
        assert nulls_left(database, backfilled) == []
        assert undeclared.items() <= read_catalog(database, TABLES, schema).items(), "an undeclared object was changed"
        assert recorded(database) == MIGRATIONS
        if inserts:
            assert_defaults_live(database)
        assert_changes_nothing(database)
        return outcome

    def refuses(
        self,
        database: Database,
        *,
        naming: tuple[str, ...],
        remedy: tuple[str, ...],
        keeping: Callable[[Key], bool] = nothing,
        unrelated: bool = True,
        schema: str = "public",
        backfilled: Backfilled | None = None,
    ) -> Outcome:
        """Migrate, and fail unless it says each of `naming`, does the rest, and converges after `remedy`."""
        if unrelated:
            database.execute(*_UNRELATED_DAMAGE)
        before = fingerprints(database)
        outcome = database.migrate()
        assert outcome.status != 0, outcome.printed
        assert "Traceback" not in outcome.printed
        for part in naming:
            assert re.search(part, outcome.errors, re.IGNORECASE), f"{part!r} isn't in:\n{outcome.errors}"
        assert lost_or_changed(database, before, {}) == []
        if unrelated:
            assert _unrelated_damage_left(database, self.clean) == []
        database.execute(*remedy)
        self.converges(database, keeping=keeping, schema=schema, backfilled=backfilled)
        return outcome

    def converges_or_refuses(self, database: Database, *, naming: tuple[str, ...], remedy: tuple[str, ...]) -> None:
        """Migrate where both outcomes are right, but not a success that leaves a difference."""
        before = fingerprints(database)
        outcome = database.migrate()
        assert lost_or_changed(database, before, {}) == []
        if outcome.status:
            for part in naming:
                assert re.search(part, outcome.errors, re.IGNORECASE), f"{part!r} isn't in:\n{outcome.errors}"
            database.execute(*remedy)
        self.converges(database)

    def is_declared(self, database: Database, keeping: Callable[[Key], bool] = nothing, schema: str = "public") -> None:
        left = differences(self.clean, read_catalog(database, TABLES, schema), keeping)
        assert left == [], "\n".join(left)

    def _undeclared(self, database: Database, keeping: Callable[[Key], bool], schema: str) -> Catalog:
        there = read_catalog(database, TABLES, schema)
        return {key: value for key, value in there.items() if key not in self.clean and keeping(key)}


def recorded(database: Database) -> set[tuple[str, str]]:
    """Return which migrations of the two apps `django_migrations` holds."""
    return set(
        database.rows("SELECT app, name FROM django_migrations WHERE app IN ('clinics', 'medical_records') ORDER BY id")
    )


def assert_defaults_live(database: Database) -> None:
    """Insert rows that rely on the defaults, and fail unless they get the declared values."""
    with contextlib.closing(database.connect()) as connected, connected.cursor() as cursor:
        connected.autocommit = False
        keys: dict[str, Any] = {}
        for table, columns, values, defaults, moments in _INSERTS:
            live = (f"clock_timestamp() - {name} < '1 minute'" for name in moments)
            returned = ", ".join([_KEYS.get(table, "id"), *defaults, *live])
            cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({values}) RETURNING {returned}", keys)
            keys[table], *found = cursor.fetchone()
            expected = [*defaults.values(), *(True for _ in moments)]
            assert found == expected, f"{table}: {[*defaults, *moments]} are {found}"
        connected.rollback()


_KEYS = {"appointments": "calendar_event_id"}
#: table, columns, values, the defaults of other columns, columns whose default is the present instant
_INSERTS: tuple[tuple[str, str, str, dict[str, Any], tuple[str, ...]], ...] = (
    (
        "users",
        "email",
        "'raw@clinic.example'",
        {"password": "", "is_superuser": False, "is_staff": False, "is_active": True},
        ("created_at", "updated_at"),
    ),
    ("clinics", "name", "'Raw'", {"is_active": True}, ("created_at", "updated_at")),
    (
        "user_clinic_associations",
        "user_id, clinic_id, full_name",
        "%(users)s, %(clinics)s, 'Raw'",
        {"title": "", "roles": [], "is_active": True},
        ("created_at", "updated_at"),
    ),
    ("patients", "clinic_id, full_name", "%(clinics)s, 'Raw'", {"is_deleted": False}, ("created_at",)),
    (
        "calendar_events",
        "user_id, clinic_id, event_type, date",
        "%(users)s, %(clinics)s, 'appointment', current_date",
        {},
        ("created_at", "updated_at"),
    ),
    (
        "appointments",
        "calendar_event_id, patient_id",
        "%(calendar_events)s, %(patients)s",
        {"status": "confirmed"},
        (),
    ),
    (
        "medical_record_templates",
        "clinic_id, name, fields",
        "%(clinics)s, 'Raw', '[]'",
        {"version": 1, "is_deleted": False, "updated_at": None},
        ("created_at",),
    ),
    (
        "medical_records",
        "clinic_id, patient_id, template_id, template_name, template_snapshot, values",
        "%(clinics)s, %(patients)s, %(medical_record_templates)s, 'Raw', '{}', '{}'",
        {"version": 1, "is_deleted": False},
        ("created_at", "updated_at"),
    ),
    (
        "patient_photos",
        "clinic_id, patient_id, medical_record_id, filename, storage_key, content_type, size_bytes",
        "%(clinics)s, %(patients)s, %(medical_records)s, 'raw.jpg', 'raw', 'image/jpeg', 1",
        {"is_pending": True, "is_deleted": False, "updated_at": None},
        ("created_at",),
    ),
)

# Damage that no state has: a refusal must not keep it from being repaired.
_UNRELATED_DAMAGE = (
    "DROP INDEX idx_patients_clinic_phone",
    "ALTER TABLE user_clinic_associations ALTER COLUMN title DROP DEFAULT, ALTER COLUMN is_active DROP NOT NULL",
)
_UNRELATED = {
    ("patients", "idx_patients_clinic_phone"),
    ("user_clinic_associations", "title"),
    ("user_clinic_associations", "is_active"),
}


def _unrelated_damage_left(database: Database, clean: Catalog) -> list[str]:
    wanted = {key: facts for key, facts in clean.items() if (key.table, key.name) in _UNRELATED}
    there = read_catalog(database, TABLES)
    return [f"{key}: {there.get(key)}" for key, facts in wanted.items() if there.get(key) != facts]
