"""Names one after another, in the reader's language."""

from collections.abc import Iterable

from django.utils.translation import pgettext


def listed(names: Iterable[str]) -> str:
    """Return the names in a row: "Latex, Pollen"."""
    return pgettext("between names in a row", ", ").join(names)
