"""`Problem`: any response that isn't a success, as RFC 9457 problem details.

No text repeats what was sent, which may be a patient's data.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework.exceptions import APIException

from .request_ids import current_request_id

CONTENT_TYPE = "application/problem+json"


class Problem(APIException):
    """An error response: `kind` is the last part of its type, `detail` says what to do, `members` are further members."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        errors: Mapping[str, Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status_code = status
        self.kind = kind
        self.title = title
        self.headers = dict(headers or {})
        self.members = members if errors is None else {**members, "errors": errors}

    def body(self) -> dict[str, Any]:
        """Return the members of the body; `instance` is the request's id."""
        return {
            "type": f"/problems/{self.kind}",
            "title": self.title,
            "status": self.status_code,
            "detail": str(self.detail),
            "instance": current_request_id(),
            **self.members,
        }


class InvalidInput(Problem):
    """400 with `errors`: messages by the path of the field, such as `fields.0.label`."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        super().__init__(
            400,
            "invalid-input",
            "The input isn't valid",
            "See `errors`: messages by field path.",
            errors={_plain(path): list(messages) for path, messages in errors.items()},
        )


_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _plain(path: str) -> str:
    """Cut `path` before the first part that isn't a plain name or id: clients send keys, which may be anything."""
    return ".".join(itertools.takewhile(_NAME.fullmatch, path.split("."))) or "body"


class NotFound(Problem):
    """404, the same for what doesn't exist and for what another clinic has."""

    def __init__(self) -> None:
        super().__init__(404, "not-found", "Not found", "There is no such thing here, or not in this clinic.")


class Unavailable(Problem):
    """503: it can't be done now, through no fault of the client's, who may try again in `seconds`."""

    def __init__(self, kind: str, title: str, detail: str, seconds: int) -> None:
        super().__init__(503, kind, title, detail, headers={"Retry-After": str(seconds)})
