"""Every way in which a refusal can be told has a test that runs its remedy: in one of these modules, by their decorators."""

from importlib import import_module

import pytest

from clinic_project.reconciliation.tests.support.remedies import COVERED
from clinic_project.reconciliation.tests.support.ways import EXAMPLES

MODULES = (
    "clinic_project.reconciliation.tests.integration.test_any_models",
    "clinic_project.reconciliation.tests.integration.test_inheritance",
    "clinic_project.reconciliation.tests.integration.test_remedies",
    "clinic_project.reconciliation.tests.integration.test_triggers",
    "clinic_project.reconciliation.tests.integration.test_widening",
    "medical_records.tests.states.test_remedies",
    "medical_records.tests.states.test_remedies_of_roles",
    "medical_records.tests.states.test_renamed_columns",
    "medical_records.tests.states.test_standbys",
)


@pytest.fixture(autouse=True)
def _imported() -> None:
    for module in MODULES:
        import_module(module)


def test_every_way_of_telling_a_refusal_has_a_test():
    assert set(EXAMPLES) - COVERED == set()
