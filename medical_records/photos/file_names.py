"""Cleans the names of uploaded files, which may be anything, to be stored and shown."""

import re
import unicodedata

MAX_LENGTH = 255
UNNAMED = "photo"

#: Control characters, among them NUL, which PostgreSQL can't store; formatting ones, which can show a name backwards;
#: halves of surrogate pairs, which can't be encoded; and what isn't assigned or is private.
_UNPRINTABLE = "C"
_LONGEST_SUFFIX = 16


def clean_file_name(name: str) -> str:
    """Return `name` without folders or characters that can't be shown, of at most 255 characters, never empty."""
    last = re.split(r"[/\\]", name)[-1]
    printable = "".join(character for character in last if unicodedata.category(character)[0] != _UNPRINTABLE)
    return _cut(" ".join(printable.split()).strip(". ")) or UNNAMED


def jpeg_name(name: str) -> str:
    """Return `name` with the ending .jpg in place of its own: what is kept is a JPEG."""
    stem, dot, _suffix = name.rpartition(".")
    return _cut((stem if dot and stem else name) + ".jpg")


def _cut(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    if len(name) <= MAX_LENGTH or not dot or len(suffix) > _LONGEST_SUFFIX:
        return name[:MAX_LENGTH]
    return stem[: MAX_LENGTH - len(suffix) - 1] + dot + suffix
