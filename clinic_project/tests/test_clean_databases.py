"""Each test that commits has a database of its own, which is dropped after it."""

import json
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from django.db import connection
from django.test import TransactionTestCase

from clinic_project.clinics.models import Clinic
from clinic_project.reconciliation.tests.support.databases import Database, copy_of_the_default
from clinic_project.reconciliation.tests.support.fixtures import own_database, unblocked
from medical_records.tests.concurrency import in_parallel

__all__ = ["own_database", "unblocked"]


def leave_rows_that_cant_be_flushed() -> None:
    assert not Clinic.objects.exists()
    Clinic.objects.create(name="Harbour Street")
    with connection.cursor() as cursor:
        cursor.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''kept''; END'")
        cursor.execute("CREATE TRIGGER kept BEFORE TRUNCATE ON clinics EXECUTE FUNCTION refuse()")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("run", [1, 2])
def test_it_sees_no_row_of_an_earlier_one(run):
    leave_rows_that_cant_be_flushed()


class TestDjangosOwnTestCase(TransactionTestCase):
    def test_it_has_one_too(self):
        leave_rows_that_cant_be_flushed()

    def test_so_has_the_next(self):
        leave_rows_that_cant_be_flushed()


def test_threads_processes_and_the_live_server_use_it(own_database, live_server):
    Clinic.objects.create(name="Harbour Street")
    assert in_parallel(lambda number: Clinic.objects.get().name, 2) == ["Harbour Street"] * 2
    shell = own_database.run("shell", "--command", "print(Clinic.objects.get().name)")
    assert shell.output.splitlines()[-1] == "Harbour Street", shell.errors
    own_database.execute("DROP TABLE patient_photos")
    with pytest.raises(HTTPError) as answer:
        urlopen(f"{live_server.url}/readyz")  # noqa: S310 - our own
    assert json.load(answer.value)["problems"][0]["object"] == "patient_photos"


@pytest.mark.usefixtures("django_db_setup", "unblocked")
def test_it_is_dropped_though_somebody_is_connected():
    before = connection.settings_dict["NAME"]
    with copy_of_the_default() as copy:
        copy.connect()
        assert connection.settings_dict["NAME"] == copy.name != before
    assert connection.settings_dict["NAME"] == before
    assert Database("postgres").rows("SELECT FROM pg_database WHERE datname = %s", [copy.name]) == []
