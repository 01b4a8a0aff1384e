from clinic_project.clinics.tests.conftest import browser, staff

__all__ = ["browser", "staff"]
