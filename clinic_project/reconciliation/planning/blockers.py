"""Which conditions can't be met, and what is blocked by that.

Without this, PostgreSQL would refuse each repair that requires a refused one, with an error that hides the cause.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from ..schema.model import ObjectReference
from .plan import Condition, Note, Refusal

Cause = TypeVar("Cause", bound=Refusal | Note)


@dataclass(frozen=True, slots=True)
class Blockers:
    """Conditions that can't be met, with their root causes; and the objects that each cause blocks.

    A root cause is a refusal, or a note about a missing table. A value: what records something returns new blockers.
    """

    unmet: tuple[tuple[Refusal | Note, frozenset[Condition]], ...] = ()
    blocked: tuple[tuple[Refusal | Note, ObjectReference], ...] = ()

    def blocked_by(self, requires: frozenset[Condition]) -> list[Refusal | Note]:
        """Return the root causes that block whatever has these requirements."""
        causes = (cause for cause, conditions in self.unmet if not conditions.isdisjoint(requires))
        return list(dict.fromkeys(causes))

    def block(self, cause: Refusal | Note, conditions: frozenset[Condition]) -> "Blockers":
        """Record that `conditions` can't be met, because of `cause`."""
        return replace(self, unmet=(*self.unmet, (cause, conditions)))

    def block_dependents(
        self,
        causes: Iterable[Refusal | Note],
        objects: Iterable[ObjectReference],
        provides: frozenset[Condition] = frozenset(),
    ) -> "Blockers":
        """Record that `causes` block `objects`, and that the conditions that these would provide can't be met either."""
        causes, objects = list(causes), list(objects)
        return Blockers(
            (*self.unmet, *((cause, provides) for cause in causes)),
            (*self.blocked, *((cause, reference) for cause in causes for reference in objects)),
        )

    def with_dependents(self, cause: Cause) -> Cause:
        """Return the cause with all that it blocks."""
        blocked = {reference for other, reference in self.blocked if other == cause} - {cause.subject}
        return replace(cause, blocked=tuple(sorted(blocked)))
