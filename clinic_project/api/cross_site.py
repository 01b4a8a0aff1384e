"""What a page of another site makes a browser ask for."""

from django.http import HttpRequest
from rest_framework.request import Request


def is_asked_by_another_site(request: HttpRequest | Request) -> bool:
    """Whether the browser says so, by a header that no page can set: https://www.w3.org/TR/fetch-metadata/

    What changes something has a CSRF token, and may come from the sites that CSRF_TRUSTED_ORIGINS names.
    """
    return request.method in {"GET", "HEAD"} and request.headers.get("Sec-Fetch-Site") == "cross-site"
