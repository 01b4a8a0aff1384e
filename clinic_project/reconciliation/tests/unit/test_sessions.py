"""Other sessions, as they are shown to a person who waits for them."""

import pytest

from ...execution.sessions import Session, conflicting_modes
from ...planning.plan import Lock


def test_a_session_is_shown_with_all_that_helps_to_find_it():
    session = Session(14353, "idle in transaction", 12.4, "psql", "SELECT *\n  FROM patients")
    assert str(session) == "pid 14353 (psql), idle in transaction for 12 s: SELECT * FROM patients"


def test_a_long_query_is_cut():
    shown = str(Session(7, "active", 3, "", f"SELECT {'x' * 100}"))
    assert shown.startswith("pid 7, active for 3 s: SELECT xxx")
    assert shown.endswith("x…")
    assert len(shown) < 110


def test_what_the_server_hides_from_this_role_is_said_to_be_hidden():
    assert str(Session(7, "", None, "", "")) == "pid 7, state and query hidden"


def test_a_prepared_transaction_is_shown_with_what_ends_it():
    session = Session(0, "", 90, "", "COMMIT PREPARED 'job' or ROLLBACK PREPARED 'job' ends it")
    assert str(session).startswith("a prepared transaction, 90 s old: COMMIT PREPARED 'job'")


def test_of_a_hidden_session_the_role_is_told():
    session = Session(7, "", None, "psql", "", role="reports")
    assert str(session) == "pid 7 (psql), a session of the role reports, state and query hidden"


def test_a_hidden_process_of_the_server_is_told_by_its_kind():
    assert (
        str(Session(7, "", None, "", "", process="an autovacuum worker")) == "pid 7, an autovacuum worker of the server"
    )


def test_a_session_that_is_in_the_way_by_its_snapshot():
    session = Session(7, "idle in transaction", 3, "", "SELECT 1", holds_snapshot=True)
    assert (
        str(session) == "pid 7, idle in transaction for 3 s, by its snapshot, which is older than the index: SELECT 1"
    )


@pytest.mark.parametrize(
    ("lock", "weakest"),
    [
        (Lock.ACCESS_SHARE, "AccessExclusiveLock"),
        (Lock.ROW_EXCLUSIVE, "ShareLock"),
        (Lock.SHARE_UPDATE_EXCLUSIVE, "ShareUpdateExclusiveLock"),
        (Lock.SHARE, "RowExclusiveLock"),
        (Lock.ACCESS_EXCLUSIVE, "AccessShareLock"),
    ],
)
def test_the_weakest_mode_that_conflicts_with_a_lock(lock: Lock, weakest: str):
    assert conflicting_modes(lock)[0] == weakest


def test_share_locks_do_not_conflict_with_each_other():
    assert "ShareLock" not in conflicting_modes(Lock.SHARE)
