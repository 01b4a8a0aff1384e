"""Bodies that no request may come with."""

from typing import Any

import pytest


class _Unread:
    def read(self, size: int) -> bytes:
        return pytest.fail("the body was read")

    readline = read


def unread_gibibyte(content_type: str) -> dict[str, Any]:
    """Return what Django's and DRF's test clients send as a GiB, and fail the test when anything of it is read."""
    return {"content_type": content_type, "CONTENT_LENGTH": str(2**30), "wsgi.input": _Unread()}
