"""The admin's lists on large tables: bounded counts and dates by index."""

import datetime
from types import SimpleNamespace

import pytest
from django.db import connection
from django.urls import reverse

from clinic_project.api import counting
from clinic_project.clinics.administration.lists import EstimatingPaginator, IndexedDates
from clinic_project.clinics.factories import ClinicFactory, PatientFactory, UserFactory
from clinic_project.clinics.models import Patient

pytestmark = pytest.mark.django_db


def paginator() -> EstimatingPaginator:
    return EstimatingPaginator(Patient.objects.order_by("pk"), per_page=2)


@pytest.fixture
def _count_up_to_five(monkeypatch):
    monkeypatch.setattr(counting, "EXACT_COUNT_LIMIT", 5)


@pytest.mark.usefixtures("_count_up_to_five")
def test_up_to_the_limit_rows_are_counted_exactly():
    PatientFactory.create_batch(5)
    pages = paginator()
    assert (pages.count, pages.num_pages, pages.is_estimate, pages.count_text) == (5, 3, False, "5")


@pytest.mark.usefixtures("_count_up_to_five")
def test_beyond_the_limit_postgresql_estimates_and_the_pages_end_there():
    PatientFactory.create_batch(123)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE patients")
    pages = paginator()
    assert (pages.count, pages.num_pages, pages.is_estimate, pages.count_text) == (123, 3, True, "about 120")


@pytest.mark.usefixtures("_count_up_to_five")
def test_an_estimate_is_never_below_what_was_counted():
    PatientFactory.create_batch(6)
    assert paginator().count >= 6


def test_no_rows_are_one_empty_page():
    pages = EstimatingPaginator(Patient.objects.none(), per_page=2)
    assert (pages.count, pages.num_pages) == (0, 1)


def moments(*texts: str) -> None:
    clinic = ClinicFactory()
    for text in texts:
        PatientFactory(clinic=clinic, created_at=datetime.datetime.fromisoformat(text))


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia"])
@pytest.mark.parametrize("kind", ["year", "month", "day"])
def test_dates_are_those_that_django_finds_by_reading_every_row(zone, kind, settings):
    settings.TIME_ZONE = zone
    moments(
        "2023-12-31T23:59:59+00:00",
        "2024-01-01T00:00:00+00:00",
        "2024-02-29T12:00:00+00:00",
        "2024-03-10T07:30:00+00:00",  # New York's clocks go forward
        "2024-11-03T05:30:00+00:00",  # and back
        "2026-07-01T03:00:00+00:00",
    )
    patients = Patient.objects.all()
    change_list = SimpleNamespace(queryset=patients, date_hierarchy="created_at")
    found = IndexedDates(change_list).datetimes("created_at", kind)
    assert found == list(patients.datetimes("created_at", kind))


def test_dates_of_no_rows_are_none():
    change_list = SimpleNamespace(queryset=Patient.objects.all(), date_hierarchy="created_at")
    assert IndexedDates(change_list).datetimes("created_at", "year") == []


@pytest.mark.parametrize("query", ["", "?created_at__year=2025", "?created_at__year=2025&created_at__month=5"])
@pytest.mark.parametrize("model", ["medicalrecord", "patientphoto", "medicalrecordtemplate"])
def test_no_list_counts_all_rows_or_looks_for_distinct_ones(model, query, client, django_assert_max_num_queries):
    client.force_login(UserFactory(superuser=True))
    with django_assert_max_num_queries(15) as queries:
        assert client.get(reverse(f"admin:medical_records_{model}_changelist") + query).status_code == 200
    for sql in (captured["sql"] for captured in queries.captured_queries):
        assert "DISTINCT" not in sql
        assert "COUNT(*)" not in sql or "LIMIT 10001" in sql
