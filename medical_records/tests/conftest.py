from clinic_project.clinics.tests.conftest import (
    api,
    browser,
    client_of,
    clinic,
    fresh_cache,
    media,
    member,
    staff,
)

__all__ = ["api", "browser", "client_of", "clinic", "fresh_cache", "media", "member", "staff"]
