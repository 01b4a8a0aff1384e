"""Reading JSON bodies, limited in size and depth."""

import json
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from .body_limits import MAX_JSON, content_length, drain
from .problems import Problem

#: Lists and objects inside each other.
MAX_DEPTH = 64


class JSONParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        length = content_length(parser_context["request"])
        # By HTTP/2, which a server of ASGI may speak, a body comes without a length, and not in chunks.
        body = b"" if length > MAX_JSON else stream.read(MAX_JSON + 1)
        if max(length, len(body)) > MAX_JSON:
            drain(stream, length)
            raise Problem(413, "body-too-large", "The body is too large", f"A JSON body has at most {MAX_JSON} bytes.")
        try:
            data = json.loads(body.decode(), parse_constant=_no_constant, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            raise ParseError("The body isn't JSON in UTF-8, or an object in it has two members of one name.") from error
        if _is_deep(data, MAX_DEPTH):
            raise ParseError(f"The body has lists and objects more than {MAX_DEPTH} levels inside each other.")
        return data


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} isn't JSON")


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with two members of one name: which of them counts is undefined (RFC 8259, section 4)."""
    value = dict(members)
    if len(value) < len(members):
        raise ValueError("a name comes twice")
    return value


def _is_deep(value: Any, left: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return left == 0 or any(_is_deep(item, left - 1) for item in inner)
