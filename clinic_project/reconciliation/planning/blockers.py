"""What can't be had, and what is therefore blocked.

PostgreSQL would refuse each thing that requires a refused one by itself, for a reason that only repeats the first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from ..schema.model import ObjectReference
from .plan import Condition, Note, Refusal

Cause = TypeVar("Cause", bound=Refusal | Note)


@dataclass(frozen=True, slots=True)
class Blockers:
    """Conditions that nothing brings about, with their root causes; and the objects that each cause blocks.

    A root cause is a refusal, or a note of what others must make. What asks changes nothing; what records returns the
    blockers as they are then.
    """

    missing: tuple[tuple[Refusal | Note, frozenset[Condition]], ...] = ()
    blocked: tuple[tuple[Refusal | Note, ObjectReference], ...] = ()

    def blocked_by(self, requires: frozenset[Condition]) -> list[Refusal | Note]:
        """Return the root causes for which something with these requirements can't be had."""
        causes = (cause for cause, conditions in self.missing if not conditions.isdisjoint(requires))
        return list(dict.fromkeys(causes))

    def block(self, cause: Refusal | Note, conditions: frozenset[Condition]) -> "Blockers":
        return replace(self, missing=(*self.missing, (cause, conditions)))

    def block_dependents(
        self,
        causes: Iterable[Refusal | Note],
        objects: Iterable[ObjectReference],
        provides: frozenset[Condition] = frozenset(),
    ) -> "Blockers":
        """Record that `objects` are blocked, and that what they would provide can't be had for the same causes."""
        causes, objects = list(causes), list(objects)
        return Blockers(
            (*self.missing, *((cause, provides) for cause in causes)),
            (*self.blocked, *((cause, reference) for cause in causes for reference in objects)),
        )

    def with_dependents(self, cause: Cause) -> Cause:
        """Return the cause with all that it blocks."""
        blocked = {reference for other, reference in self.blocked if other == cause} - {cause.subject}
        return replace(cause, blocked=tuple(sorted(blocked)))
