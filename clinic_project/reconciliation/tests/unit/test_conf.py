"""The setting RECONCILIATION."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from ...conf import Budgets, milliseconds


def test_what_is_not_set_has_its_default():
    with override_settings(RECONCILIATION={"lock_timeout": 0.2}):
        assert Budgets.from_settings() == Budgets(lock_timeout=0.2)


def test_an_unknown_key_is_named_with_those_that_are_known():
    with (
        override_settings(RECONCILIATION={"lock_timout": 1}),
        pytest.raises(ImproperlyConfigured, match=r"unknown keys: lock_timout\. Known keys: lock_timeout, lock_budget"),
    ):
        Budgets.from_settings()


@pytest.mark.parametrize("value", [0, -1, "1s", None])
def test_a_value_is_a_number_above_0(value):
    with (
        override_settings(RECONCILIATION={"batch_rows": value}),
        pytest.raises(ImproperlyConfigured, match="batch_rows"),
    ):
        Budgets.from_settings()


def test_a_time_is_at_least_1_ms_since_0_would_mean_no_limit():
    assert [milliseconds(seconds) for seconds in (0.5, 0.0001)] == ["500ms", "1ms"]
