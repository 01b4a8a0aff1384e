"""Primary keys and what generates them (states 11 to 13)."""

import contextlib
import re

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic_project.reconciliation.tests.support.catalog import named, object_ids
from clinic_project.reconciliation.tests.support.databases import Database, temporary_database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed
from clinic_project.reconciliation.tests.support.profiles import PROFILE
from clinic_project.reconciliation.tests.support.remedies import refusals_of, run_remedies

from .outcomes import Expectations
from .rows import ROWS
from .tables import TABLES

GENERATED = [table for table in TABLES if table != "appointments"]


def make_serial(database: Database, table: str, type_: str = "integer") -> None:
    """Generate the key as `serial` does, from the identity's next value on."""
    next_key = database.value(f"SELECT nextval(pg_get_serial_sequence('{table}', 'id'))")
    database.execute(
        f"ALTER TABLE {table} ALTER id DROP IDENTITY",
        f"CREATE SEQUENCE {table}_id_seq AS {type_} START {next_key} OWNED BY {table}.id",
        f"ALTER TABLE {table} ALTER id SET DEFAULT nextval('{table}_id_seq')",
    )


class TestState11Serial:
    """A key from `serial` where the model has an identity: equivalent."""

    @pytest.mark.parametrize("type_", ["integer", "bigint"])
    def test_11_is_no_difference(self, type_: str, database: Database, expected: Expectations):
        for table in GENERATED:
            make_serial(database, table, type_)
        assert database.manage("reconcile", "--check").status == 0
        before = object_ids(database, [f"{table}_id_seq" for table in GENERATED])
        expected.converges(database)
        assert object_ids(database, [f"{table}_id_seq" for table in GENERATED]) == before

    def test_11_with_a_sequence_of_another_name(self, database: Database, expected: Expectations):
        make_serial(database, "medical_records")
        database.execute('ALTER SEQUENCE medical_records_id_seq RENAME TO "Records-Sequence"')
        assert database.manage("reconcile", "--check").status == 0
        expected.converges(database)


class TestState12NoGenerator:
    """New rows get no key, or one that exists."""

    @pytest.mark.parametrize("table", ["medical_record_templates", "medical_records", "patient_photos", "users"])
    def test_12_no_generator(self, table: str, database: Database, expected: Expectations):
        database.execute(f"ALTER TABLE {table} ALTER id DROP IDENTITY")
        expected.converges(database)

    def test_12_a_function_generates_keys(self, database: Database, expected: Expectations):
        """It is replaced by the declared identity, and noted."""
        database.execute(
            "CREATE FUNCTION next_key() RETURNS integer LANGUAGE sql AS 'SELECT max(id) + 1 FROM patients'",
            "ALTER TABLE patients ALTER id DROP IDENTITY",
            "ALTER TABLE patients ALTER id SET DEFAULT next_key()",
        )
        outcome = expected.converges(database)
        assert "patients.id: an identity replaces its default public.next_key()" in outcome.printed

    def test_12_no_generator_and_no_rows(self, database_without_rows: Database, expected: Expectations):
        database_without_rows.execute("ALTER TABLE medical_records ALTER id DROP IDENTITY")
        expected.converges(database_without_rows)

    @pytest.mark.parametrize("at", [1, 100, 239])
    def test_12_sequence_behind(self, at: int, database: Database, expected: Expectations):
        database.execute(f"SELECT setval('medical_records_id_seq', {at})")
        expected.converges(database)

    def test_12_serial_sequence_behind(self, database: Database, expected: Expectations):
        make_serial(database, "patient_photos")
        database.execute("SELECT setval('patient_photos_id_seq', 1, false)")
        expected.converges(database)

    def test_12_sequence_restarted_at_the_highest_key(self, database: Database, expected: Expectations):
        """Its last value is the highest key, and is still to be given."""
        database.execute("ALTER SEQUENCE medical_records_id_seq RESTART WITH 240")
        expected.converges(database)

    @pytest.mark.parametrize("type_", ["smallint", "integer MAXVALUE 50"])
    def test_12_sequence_whose_maximum_is_too_low(self, type_: str, database: Database, expected: Expectations):
        """Its maximum is below the keys that are there, or below those of the key's type."""
        database.execute(
            "UPDATE patient_photos SET id = 40000 WHERE id = 1",
            "ALTER TABLE patient_photos ALTER id DROP IDENTITY",
            f"CREATE SEQUENCE numbers AS {type_} OWNED BY patient_photos.id",
            "ALTER TABLE patient_photos ALTER id SET DEFAULT nextval('numbers')",
            "ALTER TABLE medical_records ALTER id SET MAXVALUE 100000",
        )
        expected.converges(database)
        assert database.value("SELECT nextval('numbers')") > 40000

    @pytest.mark.parametrize(
        ("position", "minimum"),
        [("NO CYCLE", -(2**31)), ("RESTART WITH -5", -(2**31)), ("RESTART WITH -4000000000", 1)],
    )
    def test_12_sequence_whose_minimum_is_below_those_of_the_key(
        self, position: str, minimum: int, database_without_rows: Database
    ):
        database_without_rows.execute(
            f"ALTER SEQUENCE medical_records_id_seq AS bigint MINVALUE -5000000000 MAXVALUE 300 {position}"
        )
        assert database_without_rows.migrate().status == 0
        assert database_without_rows.rows(
            "SELECT seqmin, seqmax FROM pg_sequence WHERE seqrelid = 'medical_records_id_seq'::regclass"
        ) == [(minimum, 2**31 - 1)]

    @pytest.mark.parametrize(
        ("type_", "range_"),
        [
            ("", ""),
            ("", "MINVALUE -1000 RESTART WITH -1"),
            ("integer", "NO MINVALUE START -1 MAXVALUE -1 RESTART"),
            ("bigint", "MINVALUE -1000 RESTART WITH -1"),
        ],
    )
    def test_12_sequence_that_counts_down(self, type_: str, range_: str, database: Database, expected: Expectations):
        """It would meet the keys that are there, or its end."""
        if type_:
            make_serial(database, "medical_records", type_)
        database.execute(f"ALTER SEQUENCE medical_records_id_seq INCREMENT -1 {range_}")
        expected.converges(database)
        assert database.value("SELECT nextval('medical_records_id_seq')") > ROWS

    def test_12_sequence_that_counts_down_and_no_rows(self, database_without_rows: Database, expected: Expectations):
        database_without_rows.execute(
            "ALTER TABLE medical_records ALTER id SET INCREMENT -3 SET MAXVALUE 9 RESTART WITH 5"
        )
        expected.converges(database_without_rows)
        assert database_without_rows.value("SELECT nextval('medical_records_id_seq')") > 0

    def test_12_sequence_that_begins_again_at_its_end(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_records ALTER id SET CYCLE",
            "ALTER TABLE patient_photos ALTER id SET MAXVALUE 300 SET CYCLE",
            "SELECT setval('patient_photos_id_seq', 300)",
        )
        expected.converges(database)
        assert database.value("SELECT count(*) FROM pg_sequences WHERE cycle OR max_value < 2147483647") == 0
        assert database.value("SELECT nextval('patient_photos_id_seq')") > 300

    def test_12_sequence_of_negative_values(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_records ALTER id SET MINVALUE -9 SET MAXVALUE -1 SET START WITH -5 RESTART"
        )
        expected.converges(database)

    def test_12_sequence_below_zero(self, database_without_rows: Database):
        """Where there are no rows, it isn't behind any."""
        database_without_rows.execute("ALTER TABLE medical_records ALTER id SET MINVALUE -10 RESTART WITH -5")
        assert database_without_rows.migrate().status == 0
        assert database_without_rows.value("SELECT nextval('medical_records_id_seq')") == -5

    def test_12_a_sequence_never_goes_back(self, database: Database, expected: Expectations):
        """Gaps are kept: a key that was once given may be known elsewhere."""
        database.execute("SELECT setval('medical_records_id_seq', 5000)")
        expected.converges(database)
        assert database.value("SELECT last_value FROM medical_records_id_seq") >= 5000

    @pytest.mark.slow  # 0.5 s
    def test_12_sequence_that_a_crash_would_set_back(self, database: Database, expected: Expectations):
        if database.value("SELECT current_setting('server_version_num')::int") < 150000:
            pytest.skip("this version has none")
        database.execute("ALTER SEQUENCE medical_records_id_seq SET UNLOGGED")
        expected.converges(database)
        persistence = "SELECT relpersistence FROM pg_class WHERE relname = 'medical_records_id_seq'"
        assert database.value(persistence) == "p"

    def test_12_sequence_owned_by_no_column(self, database: Database, expected: Expectations):
        """It wouldn't be dropped with its table."""
        make_serial(database, "medical_records")
        database.execute("ALTER SEQUENCE medical_records_id_seq OWNED BY NONE")
        expected.converges(database)

    def test_12_sequence_that_the_column_may_not_own(self, database: Database, expected: Expectations):
        """It is in another schema, and is as good as one that is owned."""
        database.execute(
            "CREATE SCHEMA numbers",
            "CREATE SEQUENCE numbers.of_records START 9000",
            "ALTER TABLE medical_records ALTER id DROP IDENTITY",
            "ALTER TABLE medical_records ALTER id SET DEFAULT nextval('numbers.of_records')",
        )
        assert database.migrate().status == 0
        assert database.manage("reconcile", "--check").status == 0
        assert database.value("SELECT nextval('numbers.of_records')") == 9000

    def test_12_the_default_is_missing_and_its_sequence_isnt(self, database: Database, expected: Expectations):
        """The sequence has the name that a new one would get, and is behind."""
        make_serial(database, "medical_records")
        database.execute(
            "ALTER SEQUENCE medical_records_id_seq OWNED BY NONE",
            "ALTER TABLE medical_records ALTER id DROP DEFAULT",
            "SELECT setval('medical_records_id_seq', 3)",
        )
        expected.converges(database)

    def test_12_generated_always(self, database: Database, expected: Expectations):
        """A dump with keys could not be loaded."""
        database.execute("ALTER TABLE medical_records ALTER id SET GENERATED ALWAYS")
        expected.converges(database)


def next_record(database: Database) -> int:
    """Insert a record as another program would, and return its key."""
    key: int = database.value(
        """INSERT INTO medical_records (clinic_id, patient_id, template_id, template_name, template_snapshot, values)
           SELECT clinic_id, id, 1, 'x', '{}', '{}' FROM patients LIMIT 1 RETURNING id"""
    )
    return key


class TestState12LostDefault:
    """The default of a key is lost, and the sequence that it named is there: no key is given twice."""

    LOST = (
        "ALTER TABLE medical_records ALTER id DROP IDENTITY",
        "CREATE SEQUENCE medical_records_id_seq AS integer",
    )

    @pytest.mark.parametrize(
        ("sequence", "following"),
        [
            pytest.param(("SELECT setval('medical_records_id_seq', 1000)",), 1001, id="ahead"),
            pytest.param(("SELECT setval('medical_records_id_seq', 1000, false)",), 1000, id="restarted ahead"),
            pytest.param(("SELECT setval('medical_records_id_seq', 7)",), ROWS + 1, id="behind"),
            pytest.param((f"SELECT setval('medical_records_id_seq', {ROWS}, false)",), ROWS + 1, id="at the highest"),
            pytest.param(
                ("ALTER SEQUENCE medical_records_id_seq MAXVALUE 100",), ROWS + 1, id="with too low a maximum"
            ),
            pytest.param(
                ("ALTER SEQUENCE medical_records_id_seq INCREMENT -1 MINVALUE -9 START -1",), ROWS + 1, id="downwards"
            ),
            pytest.param(
                (
                    "CREATE SEQUENCE another OWNED BY medical_records.id",
                    "SELECT setval('another', 5000), setval('medical_records_id_seq', 1000)",
                ),
                5001,
                id="one of two",
            ),
        ],
    )
    @pytest.mark.parametrize("owned", [True, False])
    def test_12_its_sequence_only_moves_forwards(
        self,
        owned: bool,
        sequence: tuple[str, ...],
        following: int,
        database: Database,
        owner: Database,
        expected: Expectations,
    ):
        owner.execute(*self.LOST, *sequence)
        if owned:
            owner.execute("ALTER SEQUENCE medical_records_id_seq OWNED BY medical_records.id")
        assert owner.migrate().status == 0
        expected.converges(database)
        # Some of the values may have been used up by the checks.
        assert owner.value("SELECT nextval(pg_get_serial_sequence('medical_records', 'id'))") >= following
        assert next_record(owner) > max(ROWS, following)

    def test_12_a_long_name_and_no_key(self, database: Database, owner: Database, expected: Expectations):
        owner.execute(
            "ALTER TABLE user_clinic_associations ALTER id DROP IDENTITY",
            "ALTER TABLE user_clinic_associations DROP CONSTRAINT user_clinic_associations_pkey",
            "CREATE SEQUENCE user_clinic_associations_id_seq",
            "SELECT setval('user_clinic_associations_id_seq', 7000)",
        )
        assert owner.migrate().status == 0
        expected.converges(database)
        sequence = owner.value("SELECT pg_get_serial_sequence('user_clinic_associations', 'id')")
        assert owner.value(f"SELECT nextval('{sequence}')") > 7000

    def test_12_its_sequence_is_another_roles(self, database: Database, owner: Database, expected: Expectations):
        """What it has given can't be read: that is refused, with the GRANT."""
        database.execute(*self.LOST, "SELECT setval('medical_records_id_seq', 1000)")
        outcome = owner.migrate()
        assert outcome.status == 1
        assert "medical_records.id [may-not-use-sequence]" in outcome.errors
        assert run_remedies(database, owner).keys() == {"may-not-use-sequence"}
        assert owner.migrate().status == 0
        expected.converges(database)
        assert next_record(owner) > 1000

    def test_12_its_sequence_serves_another_table(self, database: Database, owner: Database, expected: Expectations):
        """That one keeps it; an identity begins past what it has given."""
        owner.execute(
            *self.LOST,
            "SELECT setval('medical_records_id_seq', 1000)",
            "CREATE TABLE reports (id integer DEFAULT nextval('medical_records_id_seq'))",
        )
        assert owner.migrate().status == 0
        expected.converges(database)
        assert next_record(owner) > 1000
        assert owner.value("SELECT nextval('medical_records_id_seq')") == 1001


class TestState12SequenceOfAnotherRole:
    """A key's sequence belongs to somebody else: what the role can't do with it is refused, with the statements."""

    SERIAL = (
        "ALTER TABLE medical_records ALTER id DROP IDENTITY",
        "CREATE SCHEMA numbers",
        "CREATE SEQUENCE numbers.of_records",
        "ALTER TABLE medical_records ALTER id SET DEFAULT nextval('numbers.of_records')",
    )

    @pytest.mark.parametrize(
        "granted",
        [
            pytest.param((), id="nothing"),
            pytest.param(("GRANT USAGE ON SCHEMA numbers TO PUBLIC",), id="only the schema"),
            pytest.param(("GRANT ALL ON SEQUENCE numbers.of_records TO PUBLIC",), id="only the sequence"),
            pytest.param(
                ("GRANT USAGE ON SCHEMA numbers TO PUBLIC", "GRANT USAGE ON SEQUENCE numbers.of_records TO PUBLIC"),
                id="what inserts require",
            ),
            pytest.param(
                (
                    "GRANT USAGE ON SCHEMA numbers TO PUBLIC",
                    "GRANT USAGE, SELECT ON SEQUENCE numbers.of_records TO PUBLIC",
                ),
                id="all but setval",
            ),
        ],
    )
    def test_12_a_privilege_is_missing(
        self, granted: tuple[str, ...], database: Database, owner: Database, expected: Expectations
    ):
        database.execute(*self.SERIAL, *granted)
        outcome = owner.migrate()
        assert outcome.status == 1
        assert "medical_records.id [may-not-use-sequence]" in outcome.errors
        assert "GRANT USAGE, SELECT, UPDATE ON SEQUENCE numbers.of_records" in outcome.errors
        (refusal,) = refusals_of(owner)
        statements = refusal["statements"]
        assert run_remedies(database, owner).keys() == {"may-not-use-sequence"}
        assert any("ON SCHEMA" in each for each in statements) == (
            "GRANT USAGE ON SCHEMA numbers TO PUBLIC" not in granted
        )
        assert owner.migrate().status == 0
        assert owner.manage("reconcile", "--check").status == 0
        assert next_record(owner) > ROWS

    def test_12_its_maximum_is_too_low(self, database: Database, owner: Database):
        database.execute(
            *self.SERIAL,
            "GRANT USAGE ON SCHEMA numbers TO PUBLIC",
            "GRANT ALL ON SEQUENCE numbers.of_records TO PUBLIC",
            "ALTER SEQUENCE numbers.of_records MAXVALUE 300",
        )
        outcome = owner.migrate()
        assert outcome.status == 1
        assert "medical_records.id [not-owner]" in outcome.errors
        assert run_remedies(database, owner).keys() == {"not-owner"}
        assert owner.migrate().status == 0
        assert owner.manage("reconcile", "--check").status == 0
        assert next_record(owner) > ROWS

    def test_12_an_identity_needs_no_privilege(self, database: Database, owner: Database, expected: Expectations):
        database.execute("REVOKE ALL ON SEQUENCE medical_records_id_seq FROM CURRENT_USER, PUBLIC")
        assert owner.migrate().status == 0
        expected.converges(database)
        assert next_record(owner) > ROWS


class TestState12HighestKey:
    """A row has the highest key of the type: a sequence that was moved past it would have no value left."""

    def test_12_keys_are_still_generated(self, database: Database, expected: Expectations):
        database.execute("INSERT INTO clinics (id, name) VALUES (2147483647, 'Nobody')")
        outcome = database.migrate()
        assert outcome.status == 0
        assert outcome.printed.count("clinics_id_seq") == 0
        database.execute("INSERT INTO clinics (name) VALUES ('One more')", "DELETE FROM clinics WHERE id = 2147483647")
        expected.converges(database)

    def test_12_the_sequence_is_behind_the_others(self, database: Database):
        database.execute(
            "INSERT INTO clinics (id, name) VALUES (2147483647, 'Nobody')", "SELECT setval('clinics_id_seq', 2)"
        )
        assert database.migrate().status == 0
        assert database.value("SELECT nextval('clinics_id_seq')") == ROWS + 1

    def test_12_the_generator_is_lost(self, database: Database):
        database.execute(
            "INSERT INTO clinics (id, name) VALUES (2147483647, 'Nobody')", "ALTER TABLE clinics ALTER id DROP IDENTITY"
        )
        assert database.migrate().status == 0
        database.execute("INSERT INTO clinics (name) VALUES ('One more')")
        assert database.value("SELECT max(id) FROM clinics WHERE id < 2147483647") == ROWS + 1

    @pytest.mark.slow  # it replaces a key
    def test_12_no_key_is_left_and_the_type_is_widened_beside_the_application(self, database: Database):
        database.execute("UPDATE patient_photos SET id = 2147483645 + id WHERE id IN (1, 2)")
        outcome = database.migrate()
        assert outcome.status == 1
        (command,) = re.findall(r"manage\.py (widen_keys \S+) makes the key bigint", outcome.errors)
        before = fingerprints(database)
        assert database.manage(*command.split()).status == 0
        assert database.migrate().status == 0
        assert lost_or_changed(database, before, {}) == []
        assert database.value("SELECT nextval('patient_photos_id_seq')") > 2147483647


#: Where ranges of sequences, and keys, begin to be another case.
BOUNDS = (-(2**63), -5_000_000_000, -(2**31), -5, -1, 1, 5, 1000, 32767, 2**31 - 2, 2**31 - 1, 5_000_000_000, 2**63 - 1)


@pytest.mark.slow
@PROFILE
@given(
    type_=st.sampled_from(["smallint", "integer", "bigint"]),
    increment=st.sampled_from([-3, -1, 1, 2]),
    bounds=st.tuples(*[st.sampled_from(BOUNDS)] * 3).map(sorted),
    cycles=st.booleans(),
    called=st.booleans(),
    rows=st.sampled_from([(), (1,), (1, 2, 7), (-4,), (2**31 - 1,), (2**31 - 2, 2**31 - 1)]),
)
def test_12_whatever_its_sequence_is_rows_get_a_key_or_it_is_refused(
    type_: str,
    increment: int,
    bounds: list[int],
    cycles: bool,
    called: bool,
    rows: tuple[int, ...],
    template_with_rows: Database,
):
    lowest, position, highest = bounds
    with temporary_database(template_with_rows.name) as database:
        with contextlib.suppress(psycopg2.Error):  # PostgreSQL doesn't accept all of these, nor give a next value
            database.execute(
                f"ALTER SEQUENCE auth_group_id_seq AS {type_} INCREMENT {increment} MINVALUE {lowest} MAXVALUE {highest}"
                f" START {position} RESTART {'CYCLE' if cycles else ''}",
                *(["SELECT nextval('auth_group_id_seq')"] if called else []),
            )
        for key in rows:
            database.execute(f"INSERT INTO auth_group (id, name) VALUES ({key}, '{key}')")
        outcome = database.migrate()
        if outcome.status:
            assert {(refusal["table"], refusal["name"]) for refusal in refusals_of(database)} == {("auth_group", "id")}
            run_remedies(database, database)
            outcome = database.migrate()
        assert outcome.status == 0, outcome.printed
        database.execute("INSERT INTO auth_group (name) VALUES ('new')")
        assert database.value("SELECT count(*) FROM auth_group") == len(rows) + 1


class TestState13MissingPrimaryKey:
    """A table has no primary key."""

    @pytest.mark.parametrize(
        ("table", "key"),
        [("patient_photos", "patient_photos_pkey"), ("user_clinic_associations", "user_clinic_associations_pkey")],
    )
    def test_13_is_added(self, table: str, key: str, database: Database, expected: Expectations):
        database.execute(f"ALTER TABLE {table} DROP CONSTRAINT {key}")
        expected.converges(database)

    def test_13_and_the_foreign_keys_that_need_it(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE medical_records DROP CONSTRAINT medical_records_pkey CASCADE",
            "ALTER TABLE appointments DROP CONSTRAINT appointments_pkey CASCADE",
        )
        expected.converges(database)

    def test_13_and_the_column_is_nullable(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey, ALTER id DROP IDENTITY",
            "ALTER TABLE patient_photos ALTER id DROP NOT NULL",
        )
        expected.converges(database)

    def test_13_its_index_is_there(self, database: Database, expected: Expectations):
        """A unique index, from a run that was killed before it added the constraint, is used."""
        database.execute(
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "CREATE UNIQUE INDEX patient_photos_pkey ON patient_photos (id)",
        )
        expected.converges(database)

    def test_13_duplicates(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "INSERT INTO patient_photos SELECT * FROM patient_photos WHERE id IN (17, 23)",
        )
        expected.refuses(
            database,
            naming=("patient_photos", r"\bid\b", r"\b17\b|\b23\b", "duplicate|twice|more than once"),
            remedy=(
                """DELETE FROM patient_photos AS one USING patient_photos AS other
                   WHERE one.id = other.id AND one.ctid > other.ctid""",
            ),
        )

    def test_13_its_name_is_a_checks(self, database: Database, expected: Expectations):
        database.execute(
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_pkey CHECK (size_bytes > 0)",
        )
        expected.refuses(
            database,
            naming=("patient_photos.patient_photos_pkey", "CHECK"),
            remedy=("ALTER TABLE patient_photos RENAME CONSTRAINT patient_photos_pkey TO theirs",),
            keeping=named("theirs"),
        )

    def test_13_its_name_is_another_tables(self, database: Database, expected: Expectations):
        """The table was replaced by a copy, and the old one kept the names of the indexes."""
        database.execute(
            "ALTER TABLE patient_photos RENAME CONSTRAINT patient_photos_pkey TO patient_photos_pkey1",
            "CREATE TABLE patient_photos_before (id integer CONSTRAINT patient_photos_pkey PRIMARY KEY)",
        )
        expected.refuses(
            database,
            naming=("patient_photos.patient_photos_pkey", "name-taken", "patient_photos_before"),
            remedy=("ALTER TABLE patient_photos_before RENAME CONSTRAINT patient_photos_pkey TO before_pkey",),
        )

    def test_13_the_key_is_another_column(self, database: Database, expected: Expectations):
        """A table can't have two primary keys: refused, or replaced, but never ignored."""
        database.execute(
            "ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",
            "ALTER TABLE patient_photos ADD CONSTRAINT patient_photos_pkey PRIMARY KEY (storage_key)",
        )
        expected.converges_or_refuses(
            database,
            naming=("patient_photos", "storage_key"),
            remedy=("ALTER TABLE patient_photos DROP CONSTRAINT patient_photos_pkey",),
        )
