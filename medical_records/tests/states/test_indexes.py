"""Indexes: invalid ones, wrong ones of the right name, right ones of a wrong name (states 2, 3 and 4)."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from clinic_project.reconciliation.tests.support.catalog import foreign_key, named, object_ids
from clinic_project.reconciliation.tests.support.databases import Database
from clinic_project.reconciliation.tests.support.waiting import wait_until

from .outcomes import Expectations


def invalidate(database: Database, index: str) -> None:
    database.execute(
        f"UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = '{index}'::regclass"
    )


def interrupt(database: Database, statement: str, index: str) -> None:
    """Cancel a statement that builds `index`, and waits for an old transaction, once the index is there."""
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(database.execute, statement)
        wait_until(lambda: object_ids(database, [index]))
        database.rows("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = %s", [statement])
        with pytest.raises(psycopg2.errors.QueryCanceled):
            building.result()


class TestState2InvalidIndexes:
    """What an interrupted CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY leaves behind."""

    @pytest.mark.parametrize("index", ["idx_medical_records_created", "idx_patient_photos_dedup", "users_email_key"])
    def test_02_is_rebuilt(self, index: str, database: Database, expected: Expectations):
        invalidate(database, index)
        expected.converges(database)

    def test_02_an_interrupted_build(self, database: Database, expected: Expectations):
        """A real one: an old transaction delays the build until it is cancelled."""
        database.execute("DROP INDEX idx_medical_records_created")
        with database.cursor() as writer:
            writer.execute("BEGIN; UPDATE medical_records SET version = version WHERE id = 1")
            build = "CREATE INDEX CONCURRENTLY idx_medical_records_created ON medical_records (created_at)"
            interrupt(database, build, "idx_medical_records_created")
        assert database.value(
            "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = 'idx_medical_records_created'::regclass"
        )
        expected.converges(database)

    def test_02_leftover_of_an_interrupted_reindex(self, database: Database, expected: Expectations):
        with database.cursor() as writer:
            writer.execute("BEGIN; UPDATE medical_records SET version = version WHERE id = 1")
            rebuild = "REINDEX INDEX CONCURRENTLY idx_medical_records_clinic"
            interrupt(database, rebuild, "idx_medical_records_clinic_ccnew")
        assert object_ids(database, ["idx_medical_records_clinic_ccnew"])
        expected.converges(database)

    @pytest.mark.parametrize("suffix", ["ccold", "ccnew1"])
    def test_02_old_half_of_a_reindex(self, suffix: str, database: Database, expected: Expectations):
        leftover = f"idx_medical_records_clinic_{suffix}"
        database.execute(f"CREATE INDEX {leftover} ON medical_records (clinic_id)")
        invalidate(database, leftover)
        assert "left alone" not in expected.converges(database).printed

    def test_02_a_build_that_is_running(self, database: Database, expected: Expectations):
        """It looks invalid, too. `migrate` waits for it and doesn't drop it: the index in the end is that one."""
        database.execute("DROP INDEX idx_medical_records_created")
        with running_build(database):
            building = object_ids(database, ["idx_medical_records_created"])
            assert building
            expected.converges(database)
        assert object_ids(database, ["idx_medical_records_created"]) == building


@contextlib.contextmanager
def running_build(database: Database):
    """Build idx_medical_records_created in another session, which waits for an old transaction for a second."""
    with contextlib.closing(database.connect()) as old, old.cursor() as cursor:
        cursor.execute("BEGIN; UPDATE medical_records SET version = version WHERE id = 1")
        build = threading.Thread(
            target=database.execute,
            args=["CREATE INDEX CONCURRENTLY idx_medical_records_created ON medical_records (created_at)"],
        )
        build.start()
        wait_until(lambda: object_ids(database, ["idx_medical_records_created"]))
        release = threading.Timer(1.0, cursor.execute, args=["ROLLBACK"])
        release.start()
        try:
            yield
        finally:
            release.join()
            build.join()


class TestState3WrongIndexOfTheRightName:
    """An index has the declared name, and isn't the declared index."""

    @pytest.mark.parametrize(
        ("index", "wrong"),
        [
            pytest.param("idx_medical_records_deleted", "medical_records (clinic_id, is_deleted)", id="columns"),
            pytest.param(
                "idx_medical_records_deleted", "medical_records (patient_id, clinic_id, is_deleted)", id="order"
            ),
            pytest.param("idx_medical_records_created", "medical_records (created_at DESC)", id="descending"),
            pytest.param("idx_medical_records_created", "medical_records (created_at NULLS FIRST)", id="nulls first"),
            pytest.param(
                "idx_patient_photos_created", "patient_photos (created_at) WHERE NOT is_deleted", id="predicate"
            ),
            pytest.param(
                "idx_patient_photos_dedup", "patient_photos (clinic_id, content_hash text_pattern_ops)", id="opclass"
            ),
            pytest.param(
                "idx_patient_photos_dedup", 'patient_photos (clinic_id, content_hash COLLATE "C")', id="collation"
            ),
            pytest.param("idx_patient_photos_clinic", "patient_photos USING hash (clinic_id)", id="method"),
            pytest.param("idx_patient_photos_clinic", "patient_photos (clinic_id) INCLUDE (filename)", id="covering"),
            pytest.param("idx_patient_photos_clinic", "patient_photos ((clinic_id + 0))", id="expression"),
            pytest.param("idx_patients_clinic_phone", "patients (clinic_id, lower(phone_number))", id="lower"),
        ],
    )
    def test_03_is_replaced_by_the_right_one(self, index: str, wrong: str, database: Database, expected: Expectations):
        database.execute(f"DROP INDEX {index}", f"CREATE INDEX {index} ON {wrong}")
        expected.converges(database)

    def test_03_unique_where_it_should_not_be(self, database: Database, expected: Expectations):
        database.execute(
            "DROP INDEX idx_medical_records_patient",
            "CREATE UNIQUE INDEX idx_medical_records_patient ON medical_records (patient_id)",
        )
        expected.converges(database)

    def test_03_unique_constraint_on_other_columns(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE user_clinic_associations DROP CONSTRAINT uq_user_clinic, "
            "ADD CONSTRAINT uq_user_clinic UNIQUE (user_id, clinic_id, title)",
        )
        expected.converges(database)

    def test_03_unique_index_instead_of_the_constraint(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE user_clinic_associations DROP CONSTRAINT uq_user_clinic",
            "CREATE UNIQUE INDEX uq_user_clinic ON user_clinic_associations (user_id, clinic_id)",
        )
        expected.converges(database)

    def test_03_unique_constraint_is_missing_and_there_are_duplicates(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE user_clinic_associations DROP CONSTRAINT uq_user_clinic",
            """INSERT INTO user_clinic_associations (user_id, clinic_id, full_name)
               SELECT user_id, clinic_id, 'again' FROM user_clinic_associations WHERE id IN (3, 4)""",
        )
        expected.refuses(
            database,
            naming=("user_clinic_associations", "uq_user_clinic", "duplicate"),
            remedy=("DELETE FROM user_clinic_associations WHERE full_name = 'again'",),
        )

    def test_03_what_replaces_a_replica_identity_becomes_it(self, database: Database, expected: Expectations):
        """Else a publisher could neither UPDATE nor DELETE. Where the new one can't be it, the old one stays."""
        database.execute(
            "ALTER TABLE user_clinic_associations DROP CONSTRAINT uq_user_clinic, "
            "ADD CONSTRAINT uq_user_clinic UNIQUE (user_id, clinic_id, title)",
            "ALTER TABLE user_clinic_associations REPLICA IDENTITY USING INDEX uq_user_clinic",
            "DROP INDEX idx_medical_records_patient",
            "CREATE UNIQUE INDEX idx_medical_records_patient ON medical_records (patient_id, id)",
            "ALTER TABLE medical_records REPLICA IDENTITY USING INDEX idx_medical_records_patient",
            "CREATE PUBLICATION everything FOR ALL TABLES",
        )
        expected.refuses(
            database,
            naming=(r"medical_records.idx_medical_records_patient \[replica-identity\]", "one thing needs"),
            remedy=("ALTER TABLE medical_records REPLICA IDENTITY DEFAULT",),
        )
        assert identities(database) == {"uq_user_clinic"}

    def test_03_two_indexes_with_each_others_names(self, database: Database, expected: Expectations):
        """Both are right and have each other's name: they are renamed, and none is rebuilt."""
        names = ["idx_patient_photos_clinic", "idx_patient_photos_patient"]
        before = object_ids(database, names)
        database.execute(
            f"ALTER INDEX {names[0]} RENAME TO aside",
            f"ALTER INDEX {names[1]} RENAME TO {names[0]}",
            f"ALTER INDEX aside RENAME TO {names[1]}",
        )
        expected.converges(database)
        assert object_ids(database, names) == before

    def test_03_the_name_is_on_another_declared_index(self, database: Database, expected: Expectations):
        """One index is missing, and another has its name: that one is renamed, then the missing one is built."""
        before = object_ids(database, ["idx_patient_photos_patient"])
        database.execute(
            "DROP INDEX idx_patient_photos_clinic",
            "ALTER INDEX idx_patient_photos_patient RENAME TO idx_patient_photos_clinic",
        )
        expected.converges(database)
        assert object_ids(database, ["idx_patient_photos_patient"]) == before

    @pytest.mark.parametrize("table", ["patients", "legacy_notes"])
    def test_03_the_name_is_taken_on_another_table(self, table: str, database: Database, expected: Expectations):
        database.execute(
            "CREATE TABLE legacy_notes (created_at timestamptz)",
            "DROP INDEX idx_medical_records_created",
            f"CREATE INDEX idx_medical_records_created ON {table} (created_at)",
        )
        expected.refuses(
            database,
            naming=("idx_medical_records_created", "medical_records", table),
            remedy=("ALTER INDEX idx_medical_records_created RENAME TO idx_of_theirs",),
            keeping=named("idx_of_theirs", "legacy_notes"),
        )

    @pytest.mark.parametrize(
        "owner", ["TABLE {} (id integer)", "VIEW {} AS SELECT 1 AS one", "SEQUENCE {}", "TYPE {} AS (one integer)"]
    )
    def test_03_the_name_is_taken_by_something_else(self, owner: str, database: Database, expected: Expectations):
        database.execute(
            "DROP INDEX idx_patient_photos_created", f"CREATE {owner.format('idx_patient_photos_created')}"
        )
        expected.refuses(
            database,
            naming=("idx_patient_photos_created",),
            remedy=(f"DROP {owner.split(maxsplit=1)[0]} idx_patient_photos_created",),
        )


def identities(database: Database) -> set[str]:
    return {name for (name,) in database.rows("SELECT indexrelid::regclass::text FROM pg_index WHERE indisreplident")}


class TestState3WhatAnIndexHas:
    """The comment and the CLUSTER mark of an index that is replaced are the declared one's then."""

    REPLACED = {
        "another definition": (
            "DROP INDEX idx_medical_records_created",
            "CREATE INDEX idx_medical_records_created ON medical_records (patient_id)",
        ),
        "a right one beside it": (
            "ALTER INDEX idx_medical_records_created RENAME TO the_right_one",
            "CREATE INDEX idx_medical_records_created ON medical_records (patient_id)",
        ),
        "invalid": (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_medical_records_created'::regclass",
        ),
    }

    @pytest.mark.parametrize("damage", REPLACED)
    def test_03_comment_and_mark_are_kept(self, damage: str, database: Database, expected: Expectations):
        database.execute(
            *self.REPLACED[damage],
            "COMMENT ON INDEX idx_medical_records_created IS 'Don''t drop: 100% of the \"day\" list'",
        )
        if damage != "invalid":
            database.execute("ALTER TABLE medical_records CLUSTER ON idx_medical_records_created")
        expected.converges(database)
        assert database.value("SELECT obj_description('idx_medical_records_created'::regclass)") == (
            'Don\'t drop: 100% of the "day" list'
        )
        marked = database.value(
            "SELECT indisclustered FROM pg_index WHERE indexrelid = 'idx_medical_records_created'::regclass"
        )
        assert marked == (damage != "invalid")


class TestState4RightObjectOfAWrongName:
    """The index or constraint has another name: it is renamed, and not rebuilt."""

    def test_04_indexes(self, database: Database, expected: Expectations):
        names = ["idx_medical_records_clinic", "idx_patient_photos_dedup", "idx_medical_record_templates_deleted"]
        before = object_ids(database, names)
        for number, name in enumerate(names):
            database.execute(f"ALTER INDEX {name} RENAME TO ix_{number}")
        expected.converges(database)
        assert object_ids(database, names) == before

    def test_04_a_foreign_key(self, database: Database, expected: Expectations):
        name = foreign_key(database, "medical_records", "patient_id")
        before = database.value("SELECT oid FROM pg_constraint WHERE conname = %s", [name])
        database.execute(f'ALTER TABLE medical_records RENAME CONSTRAINT "{name}" TO medical_records_patient_id_fkey')
        expected.converges(database)
        assert database.value("SELECT oid FROM pg_constraint WHERE conname = %s", [name]) == before

    @pytest.mark.parametrize(
        ("table", "name"),
        [
            ("medical_records", "medical_records_pkey"),
            ("users", "users_email_key"),
            ("appointments", "appointments_pkey"),
        ],
    )
    def test_04_a_key(self, table: str, name: str, database: Database, expected: Expectations):
        before = object_ids(database, [name])
        database.execute(f'ALTER TABLE {table} RENAME CONSTRAINT {name} TO "PK_{table} oud"')
        expected.converges(database)
        assert object_ids(database, [name]) == before

    def test_04_everything_of_a_table_that_was_renamed(self, database: Database, expected: Expectations):
        """Renaming a table doesn't rename its key, sequence and indexes."""
        database.execute(
            "ALTER TABLE patient_photos RENAME CONSTRAINT patient_photos_pkey TO photos_pkey",
            "ALTER SEQUENCE patient_photos_id_seq RENAME TO photos_id_seq",
            "ALTER INDEX idx_patient_photos_patient RENAME TO photos_patient_id_idx",
        )
        expected.converges(database)

    def test_04_the_right_name_is_on_a_wrong_index(self, database: Database, expected: Expectations):
        """The right one has another name, and gets the wrong one's: nothing is built."""
        before = object_ids(database, ["idx_medical_records_created"])
        database.execute(
            "ALTER INDEX idx_medical_records_created RENAME TO ix_created",
            "CREATE INDEX idx_medical_records_created ON medical_records (updated_at)",
        )
        expected.converges(database)
        assert object_ids(database, ["idx_medical_records_created"]) == before

    def test_04_an_index_that_repeats_it_stays(self, database: Database, expected: Expectations):
        """Where the declared index is there, another one that repeats it is undeclared: left alone, and noted."""
        before = object_ids(database, ["idx_medical_records_patient", "ix_medical_records_patient_id"])
        database.execute("CREATE INDEX ix_medical_records_patient_id ON medical_records (patient_id)")
        expected.converges(database, keeping=named("ix_medical_records_patient_id"))
        assert object_ids(database, ["idx_medical_records_patient"]) == before
