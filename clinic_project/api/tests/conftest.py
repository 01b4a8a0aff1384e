import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from clinic_project.clinics.tests.conftest import api, clinic, media, member
from medical_records.tests.retention import no_retention

__all__ = ["api", "clinic", "media", "member", "no_retention"]


@pytest.fixture
def _keep_the_connection():
    """The test's transaction must outlive the requests in it, as with Django's own test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
