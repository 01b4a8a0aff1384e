"""The setting RECONCILIATION."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from ...conf import Budgets, configured_apps, ignored_labels, milliseconds


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


@pytest.mark.parametrize(
    ("value", "labels"), [("*", None), (["auth"], {"auth"}), (("auth", "sites"), {"auth", "sites"})]
)
def test_apps_are_a_list_of_labels_or_a_star_for_all(value, labels):
    with override_settings(RECONCILIATION={"apps": value, "lock_budget": 1}):
        assert configured_apps() == labels
        assert Budgets.from_settings() == Budgets(lock_budget=1)


@pytest.mark.parametrize("value", ["auth", None, 1, [1], {"auth": True}])
def test_apps_are_nothing_else(value):
    with (
        override_settings(RECONCILIATION={"apps": value}),
        pytest.raises(ImproperlyConfigured, match=r'RECONCILIATION\["apps"\]: expected "\*" or a list'),
    ):
        configured_apps()


def test_differences_that_are_meant_are_a_list_of_labels():
    with override_settings(RECONCILIATION={"ignore": ["app_table.path", "app_table"], "lock_budget": 1}):
        assert ignored_labels() == {"app_table.path", "app_table"}
        assert Budgets.from_settings() == Budgets(lock_budget=1)
    with override_settings(RECONCILIATION={}):
        assert ignored_labels() == frozenset()


@pytest.mark.parametrize("value", ["app_table.path", None, [1], {"app_table": "path"}])
def test_they_are_nothing_else(value):
    with (
        override_settings(RECONCILIATION={"ignore": value}),
        pytest.raises(ImproperlyConfigured, match=r'RECONCILIATION\["ignore"\]: expected a list of tables'),
    ):
        ignored_labels()
