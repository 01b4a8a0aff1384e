"""Counting the logins that fail: in the database, for all processes together."""

import hashlib
import multiprocessing
import uuid
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.exceptions import Throttled
from rest_framework.test import APIClient

from clinic_project.api.models import LoginFailures
from clinic_project.api.throttles import LIMITS, count_attempt
from clinic_project.clinics.factories import UserFactory
from clinic_project.clinics.models import User

ADDRESS, EMAIL = "198.51.100.7", "ada@clinic.example"
PROCESSES = 20
OF_ADDRESS, OF_EMAIL = (LIMITS[kind][0] for kind in ("address", "email"))


def attempt(email=EMAIL, address=ADDRESS):
    return count_attempt(RequestFactory().post("/", REMOTE_ADDR=address), email)


def fail(times, **options):
    for _ in range(times):
        attempt(**options)


def wait_until_refused(**options):
    with pytest.raises(Throttled) as refused:
        attempt(**options)
    return refused.value.wait


def let_pass(seconds):
    """Move what has been counted to the past."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE api_login_failures SET times = ARRAY(SELECT time - %s FROM unnest(times) AS time ORDER BY time)",
            [timedelta(seconds=seconds)],
        )


@pytest.mark.django_db
def test_each_failure_counts_for_a_minute_from_when_it_was():
    fail(1)
    let_pass(40)
    fail(9)
    assert wait_until_refused() == pytest.approx(20, abs=1)
    let_pass(20)
    fail(1)
    assert wait_until_refused() == pytest.approx(40, abs=1)


@pytest.mark.django_db
def test_what_is_refused_counts_for_nothing():
    fail(OF_EMAIL)
    for _ in range(OF_ADDRESS):
        wait_until_refused()
    # The address has as many left as before.
    for n in range(OF_ADDRESS - OF_EMAIL):
        attempt(email=f"{n}@clinic.example")
    wait_until_refused(email="last@clinic.example")


@pytest.mark.django_db
@pytest.mark.parametrize("spelling", ["ADA@Clinic.Example", "ada@cl\u0131nic.example"])
def test_each_spelling_of_an_email_that_finds_its_user_is_counted_as_that_email(spelling):
    user = UserFactory(email=EMAIL)
    assert User.objects.get_by_natural_key(spelling) == user
    fail(OF_EMAIL)
    wait_until_refused(email=spelling)


@pytest.mark.django_db
def test_an_address_that_is_refused_locks_no_email():
    for n in range(OF_ADDRESS):
        attempt(email=f"{n}@clinic.example")
    for _ in range(OF_EMAIL):
        wait_until_refused()
    attempt(address="198.51.100.8")


@pytest.mark.django_db
def test_a_success_counts_for_nothing():
    for _ in range(2 * OF_ADDRESS):
        attempt().forget()
    fail(OF_EMAIL)
    wait_until_refused()


@pytest.mark.django_db
def test_codes_are_counted_for_longer_and_beside_passwords():
    for _ in range(LIMITS["code"][0]):
        one = attempt()
        one.count(code=EMAIL)
        let_pass(60)
    refused = attempt()
    with pytest.raises(Throttled) as error:
        refused.count(code=EMAIL)
    assert error.value.wait == pytest.approx(15 * 60 - 60 * LIMITS["code"][0], abs=1)
    let_pass(60)
    fail(OF_EMAIL)


@pytest.mark.django_db
def test_neither_email_nor_address_is_kept():
    attempt()
    kept = {field.name for field in LoginFailures._meta.get_fields()}
    assert kept == {"key", "times", "is_full", "expires_at"}
    digests = [hashlib.sha256(value.encode()).digest()[:16] for value in (EMAIL, ADDRESS)]
    assert not LoginFailures.objects.filter(key__in=[uuid.UUID(bytes=digest) for digest in digests]).exists()
    assert LoginFailures.objects.count() == 2


@pytest.mark.django_db
def test_the_key_is_another_with_another_secret(settings):
    attempt()
    first = set(LoginFailures.objects.values_list("key", flat=True))
    settings.SECRET_KEY = "another"
    attempt()
    assert len(set(LoginFailures.objects.values_list("key", flat=True)) - first) == 2


@pytest.mark.django_db
def test_what_has_expired_is_deleted_faster_than_it_comes():
    old = timezone.now() - timedelta(hours=1)
    LoginFailures.objects.bulk_create(
        LoginFailures(key=uuid.uuid4(), times=[old], is_full=False, expires_at=old) for _ in range(50)
    )
    for n in range(6):
        attempt(email=f"{n}@clinic.example")
    assert LoginFailures.objects.filter(expires_at__lt=timezone.now()).count() == 0
    assert LoginFailures.objects.count() == 1 + 6


@pytest.mark.django_db(transaction=True)
def test_no_rollback_takes_a_count_back():
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        attempt()
    assert not LoginFailures.objects.exists()


def _log_in(together, number, emails, addresses, answers):
    """Send three logins when all processes are there, and put their statuses into `answers`."""
    together.wait()
    for n in range(3):
        body = {"email": emails.format(f"{number}-{n}"), "password": "wrong"}
        response = APIClient(REMOTE_ADDR=addresses.format(number)).post("/api/auth/login", body)
        answers.put(response.status_code)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("emails", "addresses", "limit"),
    [(EMAIL, "198.51.100.{}", OF_EMAIL), ("{}@clinic.example", ADDRESS, OF_ADDRESS)],
    ids=["one email", "one address"],
)
def test_twenty_processes_count_together(settings, emails, addresses, limit):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    fork = multiprocessing.get_context("fork")
    together, answers = fork.Barrier(PROCESSES), fork.Queue()
    connections.close_all()
    processes = [
        fork.Process(target=_log_in, args=(together, number, emails, addresses, answers)) for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    statuses = [answers.get(timeout=60) for _ in range(3 * PROCESSES)]
    for process in processes:
        process.join()
    assert sorted(statuses) == [401] * limit + [429] * (3 * PROCESSES - limit)
