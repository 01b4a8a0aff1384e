"""The admin's lists on large tables: bounded counts and dates by index."""

import datetime
import html
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.urls import reverse, reverse_lazy

from clinic_project.api import counting
from clinic_project.clinics.administration.lists import EstimatingPaginator, IndexedDates
from clinic_project.clinics.factories import ClinicFactory, MembershipFactory, PatientFactory, UserFactory
from clinic_project.clinics.models import Patient
from clinic_project.clinics.tests.admin_site import rows_of
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto

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


def indexed_dates(patients: QuerySet[Patient], query: str = "") -> IndexedDates:
    pages = EstimatingPaginator(patients.order_by("pk"), per_page=2)
    return IndexedDates(SimpleNamespace(queryset=patients, date_hierarchy="created_at", paginator=pages, query=query))


@pytest.mark.usefixtures("_count_up_to_five")
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
    with CaptureQueriesContext(connection) as queries:
        found = indexed_dates(patients).datetimes("created_at", kind)
    assert not any("DISTINCT" in captured["sql"] for captured in queries.captured_queries)
    assert found == list(patients.datetimes("created_at", kind))


def test_dates_of_no_rows_are_none():
    dates = indexed_dates(Patient.objects.all())
    assert (dates.datetimes("created_at", "year"), dates.aggregate()) == ([], {"first": None, "last": None})


def test_dates_of_few_rows_are_read_from_these(django_assert_num_queries):
    moments("2024-03-10T07:30:00+00:00", "2026-07-01T03:00:00+00:00")
    dates = indexed_dates(Patient.objects.all())
    bounds = dates.aggregate()
    assert (bounds["first"].year, bounds["last"].year) == (2024, 2026)
    with django_assert_num_queries(1):
        assert [start.year for start in dates.datetimes("created_at", "year")] == [2024, 2026]


@pytest.mark.usefixtures("_count_up_to_five")
def test_a_search_that_finds_more_than_is_counted_has_no_dates():
    PatientFactory.create_batch(6)
    dates = indexed_dates(Patient.objects.all(), query="a")
    assert (dates.datetimes("created_at", "year"), dates.aggregate()) == ([], {"first": None, "last": None})


@pytest.mark.usefixtures("_count_up_to_five")
@pytest.mark.parametrize("query", ["", "?created_at__year=2025", "?created_at__year=2025&created_at__month=5"])
@pytest.mark.parametrize("make", [MedicalRecordFactory, PatientPhotoFactory, MedicalRecordTemplateFactory])
def test_no_long_list_counts_all_rows_or_looks_for_distinct_ones(make, query, client, django_assert_max_num_queries):
    make.create_batch(6, created_at=datetime.datetime(2025, 5, 5, tzinfo=datetime.UTC))
    client.force_login(UserFactory(superuser=True))
    with django_assert_max_num_queries(15) as queries:
        path = reverse(f"admin:medical_records_{make._meta.model._meta.model_name}_changelist")
        assert client.get(path + query).status_code == 200
    for sql in (captured["sql"] for captured in queries.captured_queries):
        assert "DISTINCT" not in sql
        assert "COUNT(*)" not in sql or "LIMIT 6)" in sql


@pytest.mark.parametrize("who", ["superuser", "staff_member"])
@pytest.mark.parametrize("trash", ["", "only", "with"])
def test_every_list_of_patients_is_by_name(trash, who, client):
    membership = MembershipFactory(user__staff=True, user__is_superuser=who == "superuser")
    client.force_login(membership.user)
    for number in range(60):
        in_trash = trash == "only" or (trash == "with" and number % 2 == 0)
        PatientFactory(clinic=membership.clinic, full_name=f"P{59 - number:02}", in_trash=in_trash)
    response = client.get(reverse("admin:clinics_patient_changelist"), {"trash": trash})
    assert [patient.full_name for patient in rows_of(response)] == [f"P{number:02}" for number in range(50)]


def test_a_list_is_sorted_by_what_its_page_offers_alone(client):
    client.force_login(UserFactory(superuser=True))
    for birthday, name in (("1980-01-01", "Ann"), ("1950-01-01", "Bob")):
        PatientFactory(full_name=name, birthday=birthday)
    response = client.get(reverse("admin:clinics_patient_changelist"), {"o": "2"})
    assert [patient.full_name for patient in rows_of(response)] == ["Ann", "Bob"]


@pytest.fixture
def _three_a_page(monkeypatch):
    for model in (Patient, MedicalRecord, PatientPhoto, MedicalRecordTemplate):
        monkeypatch.setattr(admin.site._registry[model], "list_per_page", 3)


def following(response: Any, rel: str) -> str | None:
    """Return the query string of the page beside that of `response`."""
    found = re.search(rf'<a href="([^"]+)" rel="{rel}">', response.content.decode())
    return html.unescape(found[1]) if found else None


def walk(client: Any, path: str, query: str, rel: str) -> Iterator[Any]:
    """Ask for a page, and for those beside it in one direction."""
    following_query: str | None = query
    while following_query is not None:
        response = client.get(path + following_query)
        assert response.status_code == 200
        yield response
        following_query = following(response, rel)


@pytest.mark.usefixtures("_count_up_to_five", "_three_a_page")
@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize(
    "make", [PatientFactory, MedicalRecordFactory, PatientPhotoFactory, MedicalRecordTemplateFactory]
)
def test_a_list_too_long_for_numbers_is_paged_by_its_rows(make, filtered, client):
    """Forwards and back, each row is met once, in the list's order, though others come meanwhile."""
    client.force_login(UserFactory(superuser=True))
    clinic = ClinicFactory()
    rows = make.create_batch(10, clinic=clinic)
    path = reverse(f"admin:{rows[0]._meta.label_lower.replace('.', '_')}_changelist")
    query = f"?clinic={clinic.pk}" if filtered else "?"
    everything = list(client.get(path + query).context_data["cl"].queryset.values_list("pk", flat=True))
    assert {row.pk for row in rows} <= set(everything)
    pages = walk(client, path, query, "next")
    shown = [row.pk for row in rows_of(next(pages))]
    make.create_batch(2, clinic=clinic)
    for page in pages:
        shown += [row.pk for row in rows_of(page)]
        last = page
    assert [pk for pk in shown if pk in everything] == everything
    back = []
    for page in walk(client, path, last.wsgi_request.get_full_path().removeprefix(path), "prev"):
        back = [row.pk for row in rows_of(page)] + back
    assert [pk for pk in back if pk in everything] == everything


@pytest.mark.usefixtures("_count_up_to_five", "_three_a_page")
class TestADeepPage:
    path = reverse_lazy("admin:medical_records_medicalrecord_changelist")

    @pytest.fixture(autouse=True)
    def _staff(self, client):
        self.membership = MembershipFactory(user__staff=True)
        client.force_login(self.membership.user)
        self.records = MedicalRecordFactory.create_batch(10, clinic=self.membership.clinic)

    def test_reads_the_rows_that_it_shows_and_one_more(self, client):
        with CaptureQueriesContext(connection) as queries:
            client.get(self.path, {"after": self.records[7].pk})
        (keys,) = (one["sql"] for one in queries.captured_queries if "ROW(" in one["sql"])
        assert keys.endswith("LIMIT 4")
        assert "OFFSET" not in keys

    def test_of_a_filter_begins_anew(self, client):
        page = client.get(self.path, {"after": self.records[7].pk}).content.decode()
        assert "trash=only" in page
        assert not re.search(r"trash=[^&\"]*&amp;after=|after=\d+&amp;trash=|name=\"after\"", page)

    @pytest.mark.parametrize("named", ["0", "x", "99999999999", "-1"])
    def test_of_no_row_is_the_first(self, named, client):
        response = client.get(self.path, {"after": named}, follow=True)
        assert response.status_code == 200
        assert [row.pk for row in rows_of(response)] == [row.pk for row in self.records[:-4:-1]]

    def test_doesn_t_begin_at_another_clinic_s_row(self, client):
        other = MedicalRecordFactory()
        response = client.get(self.path, {"after": other.pk}, follow=True)
        assert response.redirect_chain
        assert [row.pk for row in rows_of(response)] == [row.pk for row in self.records[:-4:-1]]

    def test_begins_at_a_row_that_is_in_the_trash_by_now(self, client):
        MedicalRecord.objects.filter(pk=self.records[7].pk).update(is_deleted=True)
        response = client.get(self.path, {"after": self.records[7].pk})
        assert [row.pk for row in rows_of(response)] == [row.pk for row in self.records[6:3:-1]]

    def test_in_another_order_has_numbers(self, client):
        """The oldest first, and of the same time the newest: that is no range of an index."""
        columns = client.get(self.path).context_data["cl"].list_display
        response = client.get(self.path, {"o": columns.index("created_on")})
        assert [row.pk for row in rows_of(response)] == [row.pk for row in self.records[:3]]
        assert "narrow them down" in response.content.decode()
        assert following(response, "next") is None
