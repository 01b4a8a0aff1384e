"""Repairs that stand in each other's way, or that can't be finished: nothing of them may harm who writes meanwhile."""

import contextlib
import json
from collections.abc import Callable

import pytest
from django.db import DatabaseError

from clinic_project.reconciliation.tests.support.catalog import dropping_constraints, foreign_key, named, object_ids
from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.interruptions import (
    Killed,
    killed_at,
    recorded_statements,
    session_ended,
)

from .outcomes import Expectations


def test_two_tables_have_each_others_index_names(database: Database, expected: Expectations):
    """Somebody swapped the names of two indexes of different tables: they are swapped back, and none is rebuilt."""
    names = ["idx_patient_photos_patient", "idx_medical_records_patient"]
    before = object_ids(database, names)
    database.execute(*rotated(*names))
    expected.converges(database)
    assert object_ids(database, names) == before


def test_names_that_went_round_three_tables(database: Database, expected: Expectations):
    """Indexes of keys and others, in a circle; one of them is gone, and is built once its name is free."""
    names = ["users_pkey", "idx_medical_records_patient", "user_clinic_associations_pkey", "idx_patients_clinic_phone"]
    before = object_ids(database, names)
    database.execute(*rotated(*names), "DROP INDEX idx_patient_photos_dedup")
    database.execute("ALTER INDEX idx_medical_records_clinic RENAME TO idx_patient_photos_dedup")
    expected.converges(database)
    assert object_ids(database, names) == before


def test_a_name_of_the_circle_is_a_strangers(database: Database, expected: Expectations):
    """Who wants a name that can't be given up waits for the one that could; the stranger keeps what it has."""
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
            f"Waiting for it: patient_photos.{names[0]}",
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


def test_names_were_swapped_between_apps_and_the_history_is_lost(database: Database, expected: Expectations):
    """One app alone can't have its names back; once both have been seen, the migrations go through."""
    database.execute(*rotated("appointments_pkey", "patient_photos_pkey"), "DELETE FROM django_migrations")
    expected.converges(database)


def test_a_strangers_constraint_has_the_name_of_a_right_index(database: Database, expected: Expectations):
    """What the constraint is for isn't known: it is neither put aside nor dropped."""
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


def test_who_has_the_name_is_on_a_table_that_is_not_repaired(
    owner: Database, database: Database, expected: Expectations
):
    """It keeps what it has, instead of being put aside; who wants that waits."""
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
    assert f"Waiting for it: patient_photos.{names[0]}" in outcome.errors
    assert object_ids(database, names) == {names[0]: before[names[1]], names[1]: before[names[0]]}
    database.execute("ALTER TABLE clinics NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")
    assert owner.migrate().status == 0
    assert object_ids(database, names) == before
    expected.is_declared(database)


class TestWrongConstraintsInEachOthersWay:
    """Each is to be dropped for another, and has the name that a third is to have."""

    def foreign_keys(self, database: Database) -> tuple[str, str]:
        patient, template = (foreign_key(database, "medical_records", f"{of}_id") for of in ("patient", "template"))
        return patient, template

    def cross(self, database: Database, more: str) -> None:
        """Put wrong foreign keys, with `more` in their definitions, in the place of two, each by the other's name."""
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
        # The triggers of others' foreign keys stay off on this side, so what is seen is the end of these two.
        told = database.migrate().printed
        assert "statement-failed" not in told
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

    def test_one_has_the_name_and_another_contradicts(self, database: Database, expected: Expectations):
        patient, _ = self.foreign_keys(database)
        database.execute(
            f"ALTER TABLE medical_records DROP CONSTRAINT {patient}",
            "ALTER TABLE medical_records ADD CONSTRAINT theirs FOREIGN KEY (patient_id) REFERENCES patients"
            " ON DELETE CASCADE",
            f"ALTER TABLE medical_records ADD CONSTRAINT {patient} FOREIGN KEY (clinic_id) REFERENCES clinics"
            " ON UPDATE CASCADE",
        )
        expected.converges(database)

    def test_killed_when_they_have_stepped_aside(self, database: Database, expected: Expectations):
        self.cross(database, "ON DELETE CASCADE")
        with killed_at("VALIDATE CONSTRAINT", "before") as interrupted, contextlib.suppress(Killed, DatabaseError):
            database.migrate()
        assert interrupted
        expected.converges(database)


def test_a_missing_table_is_made_without_an_index_whose_name_is_taken(database: Database, expected: Expectations):
    """Programs need the table more than that index."""
    before = database.rows("SELECT count(*) FROM medical_records")
    database.execute("DROP TABLE patient_photos", "CREATE VIEW idx_patient_photos_created AS SELECT 1 AS one")
    outcome = database.migrate()
    assert outcome.status == 1
    assert "patient_photos.idx_patient_photos_created [name-taken]" in outcome.errors
    assert database.value("SELECT count(*) FROM patient_photos") == 0
    assert database.rows("SELECT count(*) FROM medical_records") == before
    database.execute("DROP VIEW idx_patient_photos_created")
    expected.converges(database)


def test_a_missing_table_waits_for_the_name_of_its_key(database: Database, expected: Expectations):
    """Somebody renamed the table: what waits for its name is told, the table first of all."""
    database.execute("ALTER TABLE patient_photos RENAME TO photos_before")
    outcome = database.migrate()
    assert outcome.status == 1
    assert "patient_photos.patient_photos_pkey [name-taken]" in outcome.errors
    assert "Waiting for it: patient_photos." in outcome.errors
    database.execute("ALTER TABLE photos_before RENAME TO patient_photos")
    expected.converges(database)


def test_a_wrong_index_that_somebody_needs(database: Database, expected: Expectations):
    """A stranger's foreign key stands on it: nothing is touched before a person gives it another name."""
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
    database.execute(f"ALTER INDEX {name} RENAME TO needed_by_theirs")
    expected.converges(database, keeping=named("needed_by_theirs"))


def rotated(*names: str, rename: str = "ALTER INDEX {} RENAME TO {}") -> list[str]:
    """Return the statements that give each index the name of the next one, and the last that of the first."""
    moves = [(names[-1], "aside"), *zip(names[-2::-1], names[:0:-1], strict=True), ("aside", names[0])]
    return [rename.format(before, after) for before, after in moves]


class TestWaiting:
    """What stands on a refused thing isn't refused as well: it is said to wait for that one."""

    def waits(self, database: Database, root: str, *waiting: str) -> None:
        outcome = database.migrate()
        assert outcome.status == 1
        assert "one thing needs a person's decision" in outcome.errors
        assert root in outcome.errors
        (line,) = [line for line in outcome.errors.splitlines() if "Waiting for it: " in line]
        for name in waiting:
            assert name in line
        (refusal,) = json.loads(database.manage("reconcile", "--json").output)["refusals"]
        assert {place["name"] for place in refusal["waiting"]} >= set(waiting)
        assert "Waiting for it: " in database.manage("reconcile", "--plan").printed

    def test_for_an_unlogged_parent(self, database: Database, expected: Expectations):
        keys = [foreign_key(database, table, "patient_id") for table in ("medical_records", "patient_photos")]
        database.execute(
            *dropping_constraints(database, ["medical_records", "patient_photos", "appointments"], "f"),
            "ALTER TABLE patients SET UNLOGGED",
        )
        self.waits(database, "patients [unlogged]", *keys)
        database.execute("ALTER TABLE patients SET LOGGED")
        expected.converges(database)

    def test_for_another_primary_key(self, database: Database, expected: Expectations):
        """A unique constraint that is deferrable is no key for others, and a key's columns can't be NULL."""
        key = foreign_key(database, "patient_photos", "patient_id")
        database.execute(
            "ALTER TABLE patients DROP CONSTRAINT patients_pkey CASCADE",
            "ALTER TABLE patients ADD CONSTRAINT theirs UNIQUE (id) DEFERRABLE",
            "UPDATE patients SET phone_number = id",
            "ALTER TABLE patients ADD PRIMARY KEY (id, phone_number)",
        )
        self.waits(database, "patients.patients_pkey [other-key]", key, "phone_number")
        database.execute("ALTER TABLE patients DROP CONSTRAINT patients_pkey")
        assert database.migrate().status == 0

    @pytest.mark.parametrize("app", ["", "medical_records"])
    def test_for_a_key_with_duplicates(self, app: str, database: Database, expected: Expectations):
        """Also where the parent's app is recorded, and the children's isn't."""
        key = foreign_key(database, "patient_photos", "patient_id")
        database.execute(
            f"DELETE FROM django_migrations WHERE app = '{app}'",
            "ALTER TABLE patients DROP CONSTRAINT patients_pkey CASCADE",
            "INSERT INTO patients SELECT * FROM patients WHERE id IN (3, 4)",
        )
        self.waits(database, "patients.patients_pkey [duplicates]", key)
        database.execute("DELETE FROM patients a USING patients b WHERE a.id = b.id AND a.ctid > b.ctid")
        expected.converges(database)

    def test_for_a_column_of_another_type(self, database: Database):
        database.execute(
            "DROP INDEX idx_medical_records_created",
            "ALTER TABLE medical_records ALTER created_at DROP DEFAULT, ALTER created_at TYPE timestamp",
        )
        self.waits(database, "medical_records.created_at [column-type]", "idx_medical_records_created")

    def test_for_a_column_that_nobody_knows_the_values_of(self, database: Database):
        key = foreign_key(database, "medical_records", "patient_id")
        database.execute("ALTER TABLE medical_records DROP patient_id")
        indexes = ("idx_medical_records_patient", "idx_medical_records_deleted")
        self.waits(database, "medical_records.patient_id [column-without-value]", key, *indexes)

    def test_for_a_parent_in_whose_place_is_a_view(self, database: Database):
        """One table waits, and what points to that table waits for the same."""
        key = foreign_key(database, "patient_photos", "medical_record_id")
        database.execute(
            "ALTER TABLE medical_record_templates RENAME TO put_aside",
            "CREATE VIEW medical_record_templates AS SELECT * FROM put_aside",
            "DROP TABLE medical_records CASCADE",
        )
        self.waits(database, "medical_record_templates [not-a-table]", "medical_records", key)

    def test_for_rows_without_a_key(self, database: Database):
        """The key waits for its column to be NOT NULL, and the foreign keys wait for the key."""
        key = foreign_key(database, "patient_photos", "patient_id")
        database.execute(
            "ALTER TABLE patients DROP CONSTRAINT patients_pkey CASCADE",
            "ALTER TABLE patients ALTER id DROP IDENTITY, ALTER id DROP NOT NULL",
            "UPDATE patients SET id = NULL WHERE id = 7",
        )
        self.waits(database, "patients.id [nulls-without-default]", "patients_pkey", key)


def test_a_published_table_has_no_key_and_rows_to_fill(database: Database, expected: Expectations):
    """Its rows can't be updated before it has a key, which comes later: the fill is tried again then."""
    database.execute(
        "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
        "ALTER TABLE patient_photos ALTER is_pending DROP NOT NULL",
        "UPDATE patient_photos SET is_pending = NULL WHERE id % 3 = 0",
        "CREATE PUBLICATION everything FOR ALL TABLES",
    )
    outcome = database.migrate()
    assert outcome.status == 0, outcome.printed
    expected.is_declared(database)


#: NULLs that can't be backfilled.
STUBBORN = (
    "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL",
    "UPDATE medical_records SET is_deleted = NULL WHERE id < 10",
    """CREATE FUNCTION stubborn() RETURNS trigger LANGUAGE plpgsql AS
       'BEGIN NEW.is_deleted := OLD.is_deleted; RETURN NEW; END'""",
    "CREATE TRIGGER stubborn BEFORE UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION stubborn()",
)


def test_a_fill_that_a_trigger_prevents_keeps_nobody_from_writing(database: Database):
    """The rows stay NULL, and are told; others can go on changing them."""
    database.execute(*STUBBORN)
    outcome = database.migrate()
    assert outcome.status != 0
    assert "medical_records.is_deleted" in outcome.printed
    database.execute("UPDATE medical_records SET version = version + 1 WHERE id < 10")
    assert database.value("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'reconcile%'") == 0


def test_the_session_ends_while_a_helping_check_is_taken_back(
    database: Database, copy_of: Callable[[Database], Database]
):
    """Nothing more is begun on another session, which wouldn't keep a second `migrate` out."""
    database.execute(*STUBBORN, "DROP INDEX idx_patient_photos_dedup")
    with recorded_statements() as steps:
        copy_of(database).migrate()
    taken_back = next(number for number, step in enumerate(steps, start=1) if "DROP CONSTRAINT" in step.sql)
    with session_ended(before=taken_back):
        outcome = database.migrate()
    assert "The connection to the database was lost" in outcome.errors
    assert database.value("SELECT to_regclass('idx_patient_photos_dedup') IS NULL")
