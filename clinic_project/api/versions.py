"""Optimistic locking: the version that a request expects to replace, by `If-Match` or by `version` in the body."""

import re
from dataclasses import dataclass

from rest_framework.request import Request

from .converters import MAX_ID
from .fields import whole_number
from .problems import InvalidInput, Problem

_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')


@dataclass(frozen=True, slots=True)
class ExpectedVersions:
    """The versions that a request may replace, and the status of the response if none of them is current."""

    versions: frozenset[int]
    stale_status: int


def etag(version: int) -> str:
    return f'"{version}"'


def expected_versions(request: Request) -> ExpectedVersions:
    """Return the versions that `request` names. Raises Problem (428) if there is none, InvalidInput if it isn't one."""
    header = request.headers.get("If-Match", "").strip()
    named = _body_version(request)
    # `*` matches any version, and so wouldn't protect another person's change.
    if header and header != "*":
        versions = _tagged_versions(header)
        if named is not None and named not in versions:
            raise InvalidInput({"version": ["It isn't the version that If-Match names."]})
        return ExpectedVersions(versions, 412)
    if named is None:
        raise Problem(
            428,
            "version-required",
            "Which version?",
            'Name the version that you have seen: `If-Match: "3"`, or `"version": 3` in the body.',
        )
    return ExpectedVersions(frozenset({named}), 409)


def _tagged_versions(header: str) -> frozenset[int]:
    # A proxy that compresses responses makes our tags weak ones: W/"3" is as good as "3".
    tags = _ENTITY_TAG.findall(header)
    return frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) <= 10)


def _body_version(request: Request) -> int | None:
    body = request.data
    if not isinstance(body, dict):
        raise InvalidInput({"body": ["An object."]})
    if body.get("version") is None:
        return None
    version = whole_number(body["version"])
    if version is None or not 1 <= version <= MAX_ID:
        raise InvalidInput({"version": [f"A whole number from 1 to {MAX_ID}."]})
    return version
