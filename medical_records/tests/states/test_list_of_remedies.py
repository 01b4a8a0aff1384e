"""Every way in which a refusal can be told has a test that runs its remedy: in one of these modules, by their decorators."""

import medical_records.tests.states.test_remedies
import medical_records.tests.states.test_remedies_of_roles
import medical_records.tests.states.test_standbys  # noqa: F401
from clinic_project.reconciliation.tests.support.remedies import COVERED
from clinic_project.reconciliation.tests.support.ways import EXAMPLES


def test_every_way_of_telling_a_refusal_has_a_test():
    assert set(EXAMPLES) - COVERED == set()
