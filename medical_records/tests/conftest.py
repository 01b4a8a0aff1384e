from clinic_project.clinics.tests.conftest import (
    api,
    browser,
    clinic,
    media,
    member,
    staff,
)

from .retention import no_retention

__all__ = ["api", "browser", "clinic", "media", "member", "no_retention", "staff"]
