"""Other sessions, as they are shown to a person who waits for them."""

from ...execution.sessions import Session


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
