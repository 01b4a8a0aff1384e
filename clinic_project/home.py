"""The page at `/`, which says what is here."""

from typing import Any

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from clinic_project.clinics.language_form import language_form
from clinic_project.clinics.models import User


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Respond with links to the admin, the API and the health checks; in development, with the demo's logins as well.

    In production it reads no database and tells nothing that isn't the same on every server.
    """
    # Without the request: its user and its messages may be in tables that are missing.
    context = {**language_form(request), "development": settings.DEBUG and _development()}
    return HttpResponse(render_to_string("clinics/home.html", context))


def _development() -> dict[str, Any]:
    try:
        from clinic_project.clinics.factories import PASSWORD
        from medical_records.demo.people import STAFF
    except ModuleNotFoundError:  # what the demo needs isn't installed: nobody can have loaded it
        return {"people": []}
    try:
        there = set(User.objects.filter(email__in=[person.email for person in STAFF]).values_list("email", flat=True))
    except Error:
        return {"database_fails": True}
    return {"people": [person for person in STAFF if person.email in there], "password": PASSWORD}
