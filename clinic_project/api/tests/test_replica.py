"""The replica after an error: who tries it, and when."""

import time

import pytest
from django.db import OperationalError, connection

from clinic_project.api import replica
from clinic_project.api.models import LastWrite
from clinic_project.api.replica import PAUSE, reading_replica
from clinic_project.clinics.factories import UserFactory


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The only item is what time it is."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_after_an_error_one_request_tries_again_and_the_others_wait_for_it(clock: list[float]):
    pause = replica._Pause()
    assert pause.is_over()
    pause.begin(OperationalError())
    assert not pause.is_over()
    clock[0] += PAUSE
    assert [pause.is_over(), pause.is_over()] == [True, False]
    clock[0] += PAUSE
    assert [pause.is_over(), pause.is_over()] == [True, False]
    pause.end()
    assert [pause.is_over(), pause.is_over()] == [True, True]


def test_the_log_says_why_it_cant_be_read(caplog: pytest.LogCaptureFixture):
    replica._Pause().begin(OperationalError("connection failed:\nFATAL:  no such role"))
    [said] = caplog.messages
    assert said == "the replica can't be read, and the primary is read instead: connection failed: FATAL: no such role"


def test_without_a_replica_a_handler_stays_as_it_is():
    def handler() -> None: ...

    assert reading_replica(handler, 1) is handler


# Noting what a user wrote


def lose_connection() -> None:
    """What the primary does that is lost: the session ends, and Django learns it from the next statement."""
    elsewhere = connection.copy()
    with elsewhere.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    elsewhere.close()


@pytest.mark.django_db(transaction=True)
def test_a_write_is_noted_once_there_is_a_primary_again():
    user = UserFactory()
    lose_connection()
    replica._note(user.pk, seconds=5)
    assert LastWrite.objects.get(user=user).number == 1


@pytest.mark.django_db(transaction=True)
def test_while_there_is_no_primary_who_wrote_is_not_answered_before_no_old_replica_is_read(monkeypatch, caplog):
    user = UserFactory()
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "HOST", "/nowhere")
    began = time.monotonic()
    replica._note(user.pk, seconds=0.1)
    assert time.monotonic() - began > 0.1
    assert caplog.messages == ["a user's last write isn't noted"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement", ["ALTER TABLE api_last_writes RENAME TO elsewhere", "SET LOCAL ROLE pg_monitor", "DELETE FROM users"]
)
def test_where_no_replica_is_read_nobody_waits_for_a_note(statement, caplog):
    user = UserFactory()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement)
    replica._note(user.pk, seconds=60)
    assert caplog.messages == ["a user's last write isn't noted"]
