"""Names of indexes and constraints that other objects have."""

import pytest

from clinic_project.reconciliation.tests.support.catalog import foreign_key, named, object_ids
from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.interruptions import (
    killed_at,
)

from .outcomes import Expectations

pytestmark = pytest.mark.slow


def test_indexes_of_two_tables_have_each_others_names(database: Database, expected: Expectations):
    """Somebody swapped the names of two indexes of different tables: they are renamed, and none is rebuilt."""
    names = ["idx_patient_photos_patient", "idx_medical_records_patient"]
    before = object_ids(database, names)
    database.execute(*rotated(*names))
    expected.converges(database)
    assert object_ids(database, names) == before


def test_names_are_rotated_among_several_tables(database: Database, expected: Expectations):
    """Keys and indexes have each the next one's name; a missing index is built once its name is free."""
    names = ["users_pkey", "idx_medical_records_patient", "user_clinic_associations_pkey", "idx_patients_clinic_phone"]
    before = object_ids(database, names)
    database.execute(*rotated(*names), "DROP INDEX idx_patient_photos_dedup")
    database.execute("ALTER INDEX idx_medical_records_clinic RENAME TO idx_patient_photos_dedup")
    expected.converges(database)
    assert object_ids(database, names) == before


def test_one_of_the_rotated_names_is_a_views(database: Database, expected: Expectations):
    """A rename whose name isn't free is blocked by the one that would free it; the view keeps its name."""
    names = ["idx_patient_photos_patient", "idx_medical_records_patient"]
    before = object_ids(database, names)
    database.execute(
        f"ALTER INDEX {names[0]} RENAME TO aside",
        f"ALTER INDEX {names[1]} RENAME TO {names[0]}",
        f"CREATE VIEW {names[1]} AS SELECT 1 AS one",
    )
    expected.refuses(
        database,
        naming=(
            rf"medical_records.{names[1]} \[name-taken\]",
            "one thing needs",
            f"Blocked by this: patient_photos.{names[0]}",
        ),
        remedy=(f"DROP VIEW {names[1]}",),
    )
    assert object_ids(database, names) == before


def test_a_key_and_a_foreign_key_have_each_others_names(database: Database, expected: Expectations):
    key = foreign_key(database, "patient_photos", "patient_id")
    database.execute(
        *rotated("patient_photos_pkey", key, rename="ALTER TABLE patient_photos RENAME CONSTRAINT {} TO {}")
    )
    expected.converges(database)


def test_names_are_swapped_between_apps_and_the_history_is_lost(database: Database, expected: Expectations):
    """The names of one app can only be given back together with those of the other."""
    database.execute(*rotated("appointments_pkey", "patient_photos_pkey"), "DELETE FROM django_migrations")
    expected.converges(database)


def test_an_undeclared_constraint_has_the_name_of_a_right_index(database: Database, expected: Expectations):
    """What the constraint is for isn't known: it is neither renamed nor dropped."""
    name = "idx_medical_records_created"
    database.execute(
        f"ALTER INDEX {name} RENAME TO ix_created",
        f"ALTER TABLE medical_records ADD CONSTRAINT {name} UNIQUE (id, created_at)",
    )
    expected.refuses(
        database,
        naming=(rf"medical_records.{name} \[name-taken\]", "constraint"),
        remedy=(f"ALTER TABLE medical_records RENAME CONSTRAINT {name} TO theirs",),
        keeping=named("theirs"),
    )


def test_the_name_owner_is_on_a_table_that_is_not_repaired(owner: Database, database: Database, expected: Expectations):
    """The name owner keeps its name; the rename to that name is blocked."""
    names = ["idx_patient_photos_dedup", "clinics_pkey"]
    before = object_ids(database, names)
    database.execute(
        *rotated(*names),
        "ALTER TABLE clinics ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE clinics FORCE ROW LEVEL SECURITY",
    )
    outcome = owner.migrate()
    assert outcome.status == 1
    assert "clinics [row-level-security]" in outcome.errors
    assert f"Blocked by this: patient_photos.{names[0]}" in outcome.errors
    assert object_ids(database, names) == {names[0]: before[names[1]], names[1]: before[names[0]]}
    database.execute("ALTER TABLE clinics NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")
    assert owner.migrate().status == 0
    assert object_ids(database, names) == before
    expected.is_declared(database)


class TestWrongConstraintsWithEachOthersNames:
    """Each constraint is to be replaced, and has a name that another one is to have."""

    def foreign_keys(self, database: Database) -> tuple[str, str]:
        patient, template = (foreign_key(database, "medical_records", f"{of}_id") for of in ("patient", "template"))
        return patient, template

    def cross(self, database: Database, more: str) -> None:
        """Replace two foreign keys by wrong ones, with `more` in their definitions, each with the other's name."""
        patient, template = self.foreign_keys(database)
        database.execute(
            f"ALTER TABLE medical_records DROP CONSTRAINT {patient}, DROP CONSTRAINT {template}",
            f"ALTER TABLE medical_records ADD CONSTRAINT {template} FOREIGN KEY (patient_id) REFERENCES patients {more}",
            f"ALTER TABLE medical_records ADD CONSTRAINT {patient} FOREIGN KEY (template_id)"
            f" REFERENCES medical_record_templates {more}",
        )

    @pytest.mark.parametrize("more", ["ON DELETE CASCADE", "ON DELETE CASCADE NOT VALID", "NOT DEFERRABLE"])
    def test_two_foreign_keys(self, more: str, database: Database, expected: Expectations):
        self.cross(database, more)
        assert "refused" not in expected.converges(database).printed

    def test_two_right_ones_whose_triggers_are_off(self, database: Database, expected: Expectations):
        names = self.foreign_keys(database)
        database.execute(
            *rotated(*names, rename="ALTER TABLE medical_records RENAME CONSTRAINT {} TO {}"),
            "ALTER TABLE medical_records DISABLE TRIGGER ALL",
        )
        # The triggers of other foreign keys stay disabled, so that `migrate` doesn't converge yet.
        printed = database.migrate().printed
        assert "statement-failed" not in printed
        database.execute("ALTER TABLE medical_records ENABLE TRIGGER ALL")
        expected.converges(database)

    @pytest.mark.parametrize(
        ("table", "key", "column", "parent"),
        [
            ("user_clinic_associations", "uq_user_clinic", "user_id", "users"),
            ("medical_records", "medical_records_pkey", "patient_id", "patients"),
        ],
    )
    def test_a_key_and_a_foreign_key(
        self, table: str, key: str, column: str, parent: str, database: Database, expected: Expectations
    ):
        """The right key has the foreign key's name, and a wrong foreign key the key's."""
        name = foreign_key(database, table, column)
        database.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {name}",
            f"ALTER TABLE {table} RENAME CONSTRAINT {key} TO {name}",
            f"ALTER TABLE {table} ADD CONSTRAINT {key} FOREIGN KEY ({column}) REFERENCES {parent} ON DELETE CASCADE",
        )
        expected.converges(database)

    def test_one_has_the_name_and_another_has_the_column(self, database: Database, expected: Expectations):
        patient, _ = self.foreign_keys(database)
        database.execute(
            f"ALTER TABLE medical_records DROP CONSTRAINT {patient}",
            "ALTER TABLE medical_records ADD CONSTRAINT theirs FOREIGN KEY (patient_id) REFERENCES patients"
            " ON DELETE CASCADE",
            f"ALTER TABLE medical_records ADD CONSTRAINT {patient} FOREIGN KEY (clinic_id) REFERENCES clinics"
            " ON UPDATE CASCADE",
        )
        expected.converges(database)

    def test_killed_after_the_temporary_renames(self, database: Database, expected: Expectations):
        self.cross(database, "ON DELETE CASCADE")
        with killed_at("VALIDATE CONSTRAINT", "before") as interrupted:
            database.migrate()
        assert interrupted
        expected.converges(database)


def test_a_missing_table_is_made_without_an_index_whose_name_is_taken(database: Database, expected: Expectations):
    """The table is created all the same: programs need it more than that index."""
    before = database.rows("SELECT count(*) FROM medical_records")
    database.execute("DROP TABLE patient_photos", "CREATE VIEW idx_patient_photos_created AS SELECT 1 AS one")
    outcome = database.migrate()
    assert outcome.status == 1
    assert "patient_photos.idx_patient_photos_created [name-taken]" in outcome.errors
    assert database.value("SELECT count(*) FROM patient_photos") == 0
    assert database.rows("SELECT count(*) FROM medical_records") == before
    database.execute("DROP VIEW idx_patient_photos_created")
    expected.converges(database)


def test_a_missing_table_is_blocked_by_the_name_of_its_key(database: Database, expected: Expectations):
    """A view has the name of its key. The table is reported as blocked, before the rest."""
    database.execute("DROP TABLE patient_photos", "CREATE VIEW patient_photos_pkey AS SELECT 1")
    outcome = database.migrate()
    assert outcome.status == 1
    assert "patient_photos.patient_photos_pkey [name-taken]" in outcome.errors
    assert "Blocked by this: patient_photos." in outcome.errors
    database.execute("DROP VIEW patient_photos_pkey")
    expected.converges(database)


def test_a_wrong_index_that_an_undeclared_foreign_key_requires(database: Database, expected: Expectations):
    """An undeclared foreign key requires it: it isn't touched before a person renames it."""
    name = "idx_medical_records_created"
    database.execute(
        f"DROP INDEX {name}",
        f"CREATE UNIQUE INDEX {name} ON medical_records (id, created_at)",
        "CREATE TABLE theirs (a int, b timestamptz, FOREIGN KEY (a, b) REFERENCES medical_records (id, created_at))",
    )
    before = object_ids(database, [name])
    outcome = database.migrate()
    assert outcome.status == 1
    assert f"medical_records.{name} [name-taken]" in outcome.errors
    assert "theirs" in outcome.errors
    assert object_ids(database, [name]) == before
    database.execute(f"ALTER INDEX {name} RENAME TO required_by_theirs")
    expected.converges(database, keeping=named("required_by_theirs"))


def rotated(*names: str, rename: str = "ALTER INDEX {} RENAME TO {}") -> list[str]:
    """Return the statements that give each index the name of the next one, and the last that of the first."""
    moves = [(names[-1], "aside"), *zip(names[-2::-1], names[:0:-1], strict=True), ("aside", names[0])]
    return [rename.format(before, after) for before, after in moves]


def test_a_type_of_an_indexs_name(database: Database, expected: Expectations):
    """Types and indexes have names of their own: that is no conflict."""
    database.execute(
        "DROP INDEX idx_medical_records_created", "CREATE TYPE idx_medical_records_created AS ENUM ('theirs')"
    )
    expected.converges(database)
