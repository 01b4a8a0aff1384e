"""Times on pages and paper are the clinic's, with the zone; those of the API are UTC."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from clinic_project.clinics.administration.lists import periods
from clinic_project.clinics.factories import PASSWORD, MembershipFactory, PatientFactory
from clinic_project.clinics.models import Patient
from clinic_project.clinics.times import exact, zoned
from clinic_project.reconciliation.tests.support.profiles import PURE

#: Clocks are set forward at midnight in Cairo, so that a day begins at one.
ZONES = ["UTC", "Asia/Taipei", "Europe/Berlin", "America/St_Johns", "Africa/Cairo", "Pacific/Kiritimati"]


@pytest.mark.parametrize(
    ("zone", "moment", "said"),
    [
        ("UTC", datetime(2026, 11, 26, 6, 5, tzinfo=UTC), "26 Nov 2026, 06:05 (UTC)"),
        ("Asia/Taipei", datetime(2026, 11, 26, 6, 5, tzinfo=UTC), "26 Nov 2026, 14:05 (Asia/Taipei)"),
        ("Asia/Taipei", datetime(2026, 11, 26, 16, 5, tzinfo=UTC), "27 Nov 2026, 00:05 (Asia/Taipei)"),
        ("Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25 Oct 2026, 02:30 (Europe/Berlin, UTC+02:00)"),
        ("Europe/Berlin", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25 Oct 2026, 02:30 (Europe/Berlin, UTC+01:00)"),
        ("Europe/Berlin", datetime(2026, 10, 25, 2, 30, tzinfo=UTC), "25 Oct 2026, 03:30 (Europe/Berlin)"),
        ("Europe/Berlin", datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "29 Mar 2026, 03:30 (Europe/Berlin)"),
    ],
)
def test_a_time_is_said_with_its_zone_and_which_of_two_equal_ones_it_is(zone, moment, said):
    with timezone.override(zone):
        assert zoned(moment) == said


def test_a_time_to_the_second_says_which_of_two_equal_ones_it_is():
    with timezone.override("Europe/Berlin"):
        assert exact(datetime(2026, 10, 25, 1, 30, 5, tzinfo=UTC)) == "25 Oct 2026, 02:30:05 (UTC+01:00)"
        assert exact(datetime(2026, 10, 25, 2, 30, 5, tzinfo=UTC)) == "25 Oct 2026, 03:30:05"


@PURE
@given(st.sampled_from(ZONES), st.integers(0, 15_000), st.integers(0, 24 * 60), st.integers(0, 800))
def test_the_days_of_a_list_follow_each_other_without_a_gap_wherever_clocks_are_set(zone, day, minute, days):
    first = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=day, minutes=minute)
    last = first + timedelta(days=days)
    with timezone.override(ZoneInfo(zone)):
        found = list(periods(first, last, "day"))
        dates = [timezone.localdate(begin) for begin, _ in found]
    assert found[0][0] <= first
    assert last < found[-1][1]
    assert all(end == begin for (_, end), (begin, _) in pairwise(found))
    assert dates == [dates[0] + timedelta(days=number) for number in range(len(dates))]


@pytest.mark.django_db
class TestInAClinicsZone:
    @pytest.fixture(autouse=True)
    def taipei(self, settings):
        settings.TIME_ZONE = "Asia/Taipei"

    def test_today_is_the_clinics_so_that_somebody_is_a_year_older_at_its_midnight(self, monkeypatch):
        patient = Patient(full_name="王小明", birthday=date(1980, 3, 2))
        for hour, age in ((15, "45"), (16, "46")):
            monkeypatch.setattr(timezone, "now", lambda hour=hour: datetime(2026, 3, 1, hour, 30, tzinfo=UTC))
            assert patient.age == age

    def test_a_birthday_is_the_same_day_in_every_zone(self, settings, client):
        member = MembershipFactory(user__staff=True)
        patient = PatientFactory(clinic=member.clinic, birthday=date(1980, 3, 2))
        client.force_login(member.user)
        for zone in ZONES:
            settings.TIME_ZONE = zone
            page = client.get(reverse("admin:clinics_patient_change", args=[patient.pk])).content.decode()
            assert 'value="1980-03-02"' in page
            assert "born 2 Mar 1980" in page

    def test_the_api_sends_and_reads_times_in_utc(self, member):
        client = APIClient()
        body = {"email": member.user.email, "password": PASSWORD}
        logged_in = client.post("/api/auth/login", body, format="json").json()
        assert logged_in["expires_at"].endswith("Z")
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {logged_in['token']}")
        patient = PatientFactory(clinic=member.clinic, created_at=datetime(2026, 3, 1, 16, 30, tzinfo=UTC))
        assert client.get(f"/api/clinic/patients/{patient.pk}").json()["created_at"] == "2026-03-01T16:30:00Z"
        seen = client.get(f"/api/clinic/patients/{patient.pk}/access-log").json()["results"]
        at = datetime.fromisoformat(seen[0]["at"].removesuffix("Z"))
        between = {"after": at.isoformat(), "before": (at + timedelta(minutes=1)).isoformat()}
        found = client.get(f"/api/clinic/patients/{patient.pk}/access-log", between)
        assert seen[0] in found.json()["results"]
