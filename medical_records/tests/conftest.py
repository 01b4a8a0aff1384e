from clinic_project.clinics.tests.conftest import (
    api,
    browser,
    clinic,
    fresh_cache,
    media,
    member,
    staff,
)

__all__ = ["api", "browser", "clinic", "fresh_cache", "media", "member", "staff"]
