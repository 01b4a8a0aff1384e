"""Reading JSON bodies: limited in size and depth, and holding nothing that PostgreSQL can't store."""

import json
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from .problems import InvalidInput, Problem

#: Bytes of a JSON body.
MAX_BODY = 1024 * 1024
#: Lists and objects inside each other.
MAX_DEPTH = 16
#: Largest number, either sign: the last integer that every JSON reader keeps exactly (RFC 8259, section 6).
MAX_INTEGER = 2**53 - 1


class JSONParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        body = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise Problem(413, "body-too-large", "The body is too large", f"A JSON body has at most {MAX_BODY} bytes.")
        try:
            data = json.loads(body.decode(), parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise ParseError("The body isn't JSON in UTF-8.") from error
        _check(data, "", 0)
        return data


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} isn't JSON")


def _check(value: Any, path: str, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, int | float):
        _check_number(value, path)
    elif isinstance(value, dict | list):
        if depth == MAX_DEPTH:
            raise InvalidInput({path.partition(".")[0]: [f"Nested deeper than {MAX_DEPTH} levels."]})
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(name, str):
                _check_text(name, path)
            _check(inner, f"{path}.{name}" if path else str(name), depth + 1)


def _check_text(text: str, path: str) -> None:
    if "\0" in text or not _is_unicode(text):
        raise InvalidInput({path or "body": ["Holds a NUL character or half a surrogate pair, which can't be stored."]})


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_number(number: float, path: str) -> None:
    if abs(number) > MAX_INTEGER:  # infinity too, which 1e999 is read as
        raise InvalidInput({path or "body": [f"Numbers go from -{MAX_INTEGER} to {MAX_INTEGER}."]})
