"""How old somebody is, on the days on which that changes."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic_project.clinics.ages import age_text, completed_months
from clinic_project.reconciliation.tests.support.profiles import PURE

LEAP_DAY = date(2004, 2, 29)


@pytest.mark.parametrize(
    ("birthday", "day", "age"),
    [
        (date(1980, 3, 2), date(2026, 3, 1), "45"),
        (date(1980, 3, 2), date(2026, 3, 2), "46"),
        (LEAP_DAY, date(2022, 2, 28), "17"),
        (LEAP_DAY, date(2022, 3, 1), "18"),
        (LEAP_DAY, date(2024, 2, 28), "19"),
        (LEAP_DAY, date(2024, 2, 29), "20"),
        (date(2024, 11, 27), date(2026, 11, 26), "23 months"),
        (date(2024, 11, 26), date(2026, 11, 26), "2"),
        (date(2026, 1, 31), date(2026, 2, 28), "28 days"),
        (date(2026, 1, 31), date(2026, 3, 1), "1 month"),
        (date(2026, 11, 25), date(2026, 11, 26), "1 day"),
        (date(2026, 11, 26), date(2026, 11, 26), "0 days"),
        (date(2026, 11, 27), date(2026, 11, 26), ""),
        (date(1, 1, 1), date(9999, 12, 31), "9998"),
    ],
)
def test_an_age_is_told_as_a_clinic_says_it(birthday, day, age):
    assert age_text(birthday, day) == age


@PURE
@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(0, 40_000))
def test_nobody_grows_younger_or_older_by_more_than_a_month_a_day(birthday, days):
    day = birthday + timedelta(days)
    older = completed_months(birthday, day + timedelta(1)) - completed_months(birthday, day)
    assert older in {0, 1}
