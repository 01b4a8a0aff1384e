"""What won't be done, and what therefore has to wait.

PostgreSQL would refuse each thing that stands on a refused one by itself, for a reason that only repeats the first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from .plan import Footing, Note, Place, Refusal, Repair

Root = TypeVar("Root", bound=Refusal | Note)


@dataclass
class Undone:
    """What is `lacking`, by its root: a refusal, or a note of what others must make. And what is `waiting` for a root."""

    lacking: list[tuple[Refusal | Note, frozenset[Footing]]] = field(default_factory=list)
    waiting: list[tuple[Refusal | Note, Place]] = field(default_factory=list)

    def lack(self, root: Refusal | Note, footings: frozenset[Footing]) -> None:
        self.lacking.append((root, footings))

    def wait(self, root: Refusal | Note, place: Place) -> None:
        self.waiting.append((root, place))

    def holds_up(self, repair: Repair) -> bool:
        """Return whether the repair has to wait; then what stands on it waits for the same."""
        places = [(repair.table, name) for name in repair.names]
        return self.holds_up_places(places, repair.needs, repair.gives)

    def holds_up_places(self, places: Iterable[Place], needs: frozenset[Footing], gives: frozenset[Footing]) -> bool:
        roots = list(dict.fromkeys(root for root, footings in self.lacking if not footings.isdisjoint(needs)))
        self.lacking += [(root, gives) for root in roots]
        self.waiting += [(root, place) for root in roots for place in places]
        return bool(roots)

    def lacks(self, needs: frozenset[Footing]) -> bool:
        return any(not footings.isdisjoint(needs) for _, footings in self.lacking)

    def told(self, root: Root) -> Root:
        """Return the root with all that waits for it."""
        waiting = {place for other, place in self.waiting if other == root} - {(root.table, root.name)}
        return replace(root, waiting=tuple(sorted(waiting)))
