"""`migrate` through a PgBouncer of either pool mode."""

from collections.abc import Iterator

import pytest

from clinic_project.reconciliation.tests.support.databases import Database

from ..servers import pgbouncer
from .damages import BACKFILLED, LARGE_DAMAGE
from .outcomes import Expectations


@pytest.fixture
def pooled(request: pytest.FixtureRequest, database: Database) -> Iterator[Database]:
    """The database through a real PgBouncer of the pool mode that the test names."""
    with pgbouncer(request.param) as port:
        yield Database(database.name, {"host": "127.0.0.1", "port": str(port)})


class TestPgBouncer:
    @pytest.mark.parametrize("pooled", ["session"], indirect=True)
    def test_session_pooling_works(self, pooled: Database, database: Database, expected: Expectations):
        database.execute(*LARGE_DAMAGE)
        outcome = pooled.run("migrate")
        assert outcome.status == 0, outcome.printed
        expected.converges(database, backfilled=BACKFILLED)

    @pytest.mark.parametrize("pooled", ["transaction"], indirect=True)
    def test_other_pooling_is_refused(self, pooled: Database, database: Database, expected: Expectations):
        """After each transaction another client could have the session with its locks and settings: nothing is begun."""
        database.execute(*LARGE_DAMAGE)
        outcome = pooled.run("migrate")
        assert outcome.status != 0
        assert "Traceback" not in outcome.errors
        assert "pool" in outcome.errors.lower()
        assert "session" in outcome.errors
        assert database.value("SELECT to_regclass('idx_medical_records_created') IS NULL")
        expected.converges(database, backfilled=BACKFILLED)
