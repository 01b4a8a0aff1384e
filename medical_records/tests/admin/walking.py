"""Walks the admin by its links, as somebody does who clicks on one of each kind."""

from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

from django.test import Client
from django.urls import resolve, reverse

#: Filters whose choices show pages that differ in kind; another parameter's value is one of many alike.
TELLING = {"trash", "signature", "error", "place", "is_active", "is_staff", "is_superuser"}


class Links(HTMLParser):
    """The addresses that a page leads to, or shows pictures from."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {"a": "href", "img": "src"}.get(tag)
        self.found += [value for name, value in attrs if name == named and value]


class Walk:
    """`refused` has the addresses that didn't show anything, after those of the pages that lead there."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.refused: list[tuple[str, str, int]] = []
        self._opened: set[object] = set()

    def pages(self) -> Iterator[str]:
        """Yield the address of each page of the admin that is shown: one of a kind, and one from each filtered list."""
        waiting = [("", reverse("admin:index"))]
        while waiting:
            by, address = waiting.pop(0)
            if not self._is_new(by, address):
                continue
            response = self.client.get(address)
            if response.status_code != 200:
                self.refused.append((by, address, response.status_code))
            elif response["Content-Type"].startswith("text/html"):
                yield address
                links = Links(response.content.decode()).found
                waiting += [(address, urldefrag(urljoin(address, link)).url) for link in links]

    def _is_new(self, by: str, address: str) -> bool:
        parts = urlsplit(address)
        # One filter at a time: otherwise each would be tried with each.
        if not parts.path.startswith(reverse("admin:index")) or len(parse_qsl(parts.query)) > 1:
            return False
        kind = (telling(by), resolve(parts.path).view_name, telling(address))
        is_new = self._opened.isdisjoint({kind, address})
        self._opened |= {kind, address}
        return is_new


def telling(address: str) -> str:
    """Return the filter in an address, if it is one whose choices show pages that differ in kind."""
    query = urlsplit(address).query
    return query if query.partition("=")[0] in TELLING else ""
