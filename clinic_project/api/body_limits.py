"""How large bodies may be: what is larger, by its Content-Length, is refused before anything of it is parsed."""

from typing import IO

from django.http import HttpRequest, UnreadablePostError

#: Bytes of a JSON body.
MAX_JSON = 1024 * 1024
#: Bytes of a refused body that are read all the same.
MAX_DRAINED = 64 * 1024 * 1024
_CHUNK = 64 * 1024


def content_length(request: HttpRequest) -> int:
    """Return how many bytes Django reads of a body at the most: none of one without a length, in chunks say."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def drain(body: IO[bytes] | HttpRequest, length: int) -> None:
    """Read and discard a body that is refused; nothing of one that is larger than MAX_DRAINED.

    A client that still sends when the connection is closed may never see the response:
    https://www.rfc-editor.org/rfc/rfc9112#section-9.6
    """
    try:
        while length <= MAX_DRAINED and body.read(_CHUNK):
            pass
    except (UnreadablePostError, ValueError):  # the client has gone
        return
