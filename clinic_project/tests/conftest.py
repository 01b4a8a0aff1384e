from clinic_project.clinics.tests.conftest import browser, staff
from clinic_project.reconciliation.tests.support.fixtures import copy_of, empty_database, unblocked

__all__ = ["browser", "copy_of", "empty_database", "staff", "unblocked"]
