from clinic_project.clinics.tests.conftest import (
    api,
    browser,
    clinic,
    media,
    member,
    staff,
)

__all__ = ["api", "browser", "clinic", "media", "member", "staff"]
