"""The choice of a language at the head of a page, `admin/clinics/language_form.html`."""

from typing import Any

from django.http import HttpRequest
from django.middleware.csrf import get_token


def language_form(request: HttpRequest) -> dict[str, Any]:
    """Return what the form in a page's header needs, where the page is rendered without its request."""
    return {"page_path": request.get_full_path(), "csrf_token": get_token(request)}
