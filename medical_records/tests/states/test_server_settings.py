"""Settings and encodings of the database."""

import re
import threading
from collections.abc import Iterator

import pytest

from clinic_project.reconciliation.tests.support.catalog import foreign_key
from clinic_project.reconciliation.tests.support.databases import Database, temporary_database
from clinic_project.reconciliation.tests.support.fingerprints import fingerprints, lost_or_changed

from .damages import BACKFILLED
from .outcomes import Expectations
from .sessions import held


class TestSettings:
    """Settings of the database that change how PostgreSQL parses, prints or runs statements."""

    DAMAGE = (
        "DROP INDEX idx_medical_records_created",
        "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL, ALTER version DROP DEFAULT",
        "UPDATE medical_records SET is_deleted = NULL WHERE id % 3 = 0",
        "ALTER TABLE patient_photos ALTER id DROP IDENTITY",
        "CREATE SEQUENCE patient_photos_id_seq OWNED BY patient_photos.id",
        "SELECT setval('patient_photos_id_seq', 5)",
        "ALTER TABLE patient_photos ALTER id SET DEFAULT nextval('patient_photos_id_seq')",
    )

    @pytest.mark.parametrize(
        "setting",
        [
            "standard_conforming_strings = off",
            "DateStyle = 'German, DMY'",
            "session_replication_role = replica",
            "quote_all_identifiers = on",
            "default_transaction_isolation = serializable",
        ],
    )
    def test_they_change_nothing(self, setting: str, database: Database, expected: Expectations):
        database.execute(*self.DAMAGE)
        before = fingerprints(database, BACKFILLED)
        # The setting is that of connections to come: this one is opened before.
        with database.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {database.name} SET {setting}")
            outcome = database.run("migrate")
            cursor.execute(f"ALTER DATABASE {database.name} RESET ALL")
        assert outcome.status == 0, outcome.printed
        expected.is_declared(database)
        assert lost_or_changed(database, before, BACKFILLED) == []


@pytest.mark.slow
class TestTimeouts:
    """Timeouts of the database are over before another session lets `migrate` go on."""

    @pytest.mark.parametrize("timeout", ["statement_timeout", "transaction_timeout"])
    def test_one_statement_takes_longer(self, timeout: str, database: Database, expected: Expectations):
        """An index is built, and waits for the transaction of a writer."""
        database.execute("DROP INDEX idx_medical_records_created")
        self._converges(database, expected, timeout)

    def test_between_two_statements_is_longer(self, database: Database, expected: Expectations):
        """A lock isn't granted, and it pauses before it tries again."""
        database.execute("ALTER TABLE medical_records ALTER version DROP DEFAULT")
        self._converges(database, expected, "idle_session_timeout")

    def _converges(self, database: Database, expected: Expectations, timeout: str) -> None:
        if not database.rows("SELECT FROM pg_settings WHERE name = %s", [timeout]):
            pytest.skip("the server is older than this setting")
        update = "UPDATE medical_records SET version = version WHERE id = 1"
        # The timeout is that of connections to come: these are opened before.
        with database.cursor() as cursor, held(database, update) as writer:
            cursor.execute(f"ALTER DATABASE {database.name} SET {timeout} = '1500ms'")
            release = threading.Timer(3, writer.release)
            release.start()
            outcome = database.manage("migrate")
            release.join()
            cursor.execute(f"ALTER DATABASE {database.name} RESET {timeout}")
        assert outcome.status == 0, outcome.printed
        expected.is_declared(database)


class TestCollationVersions:
    @pytest.fixture
    def versioned(self, unblocked: None) -> Iterator[Database]:
        """A database whose collation has a version on every machine."""
        if Database("postgres").value("SELECT current_setting('server_version_num')::int") < 170000:
            pytest.skip("PostgreSQL 17 has such a collation")
        options = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"
        with temporary_database("template0", options) as versioned:
            yield versioned

    @pytest.mark.slow  # it migrates from empty
    def test_another_version_is_told_until_it_is_refreshed(self, versioned: Database):
        """As after an upgrade of the operating system's C library."""
        assert "collation" not in versioned.migrate().printed
        versioned.execute("UPDATE pg_database SET datcollversion = '0.9' WHERE datname = current_database()")
        outcome = versioned.migrate()
        assert outcome.status == 0
        (remedy,) = re.findall(r"Run (REINDEX .*), then (ALTER DATABASE .*), as its owner", outcome.errors)
        assert "the version 0.9 of its collation is recorded, the server has 1" in outcome.errors
        versioned.execute(*remedy)
        assert "collation" not in versioned.migrate().printed

    @pytest.mark.slow  # it migrates twice
    def test_another_version_of_an_indexs_own_collation(self, database: Database):
        since_17 = database.value("SELECT current_setting('server_version_num')::int") >= 170000
        made_by = "provider = builtin, locale = 'C.UTF-8'" if since_17 else "provider = icu, locale = 'und'"
        database.execute(
            f'CREATE COLLATION "of Names" ({made_by})',
            'CREATE INDEX by_name ON patients (full_name COLLATE "of Names")',
            "UPDATE pg_collation SET collversion = '0.9' WHERE collname = 'of Names'",
        )
        outcome = database.migrate()
        assert outcome.status == 0
        (remedy,) = re.findall(r"Run (REINDEX .*), then (ALTER COLLATION .*), as the owner", outcome.errors)
        database.execute(*remedy)
        assert "ALTER COLLATION" not in database.migrate().printed


class TestOtherEncodings:
    @pytest.fixture
    def latin(self) -> Iterator[Database]:
        with temporary_database("template0", "ENCODING 'LATIN1' LOCALE 'C'") as latin:
            yield latin

    def test_orphans_in_a_database_of_latin_1(self, latin: Database, expected: Expectations):
        """No query has a character that the database's encoding lacks."""
        assert latin.migrate().status == 0
        name = foreign_key(latin, "patients", "clinic_id")
        latin.execute(
            f"ALTER TABLE patients DROP CONSTRAINT {name}",
            "INSERT INTO patients (clinic_id, full_name) VALUES (77, 'Søren Ærø')",
        )
        outcome = latin.migrate()
        assert outcome.status == 1
        assert "id 1 -> 77" in outcome.errors
        assert "id 1 -> 77" in latin.manage("reconcile", "--plan").printed
