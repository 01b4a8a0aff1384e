"""Requests that a page of another site makes a browser send."""

from django.http import HttpRequest
from rest_framework.request import Request


def is_cross_site(request: HttpRequest | Request) -> bool:
    """Whether the browser says so, by a header that no page can set: https://www.w3.org/TR/fetch-metadata/"""
    return request.headers.get("Sec-Fetch-Site") == "cross-site"
