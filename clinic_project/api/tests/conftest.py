from clinic_project.clinics.tests.conftest import api, clinic, fresh_cache, media, member

__all__ = ["api", "clinic", "fresh_cache", "media", "member"]
