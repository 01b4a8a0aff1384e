"""What can stop a reconciliation.

ReconciliationError
├── Unsupported        the server, the role or the pooler can't carry a reconciliation
├── Refused            a person has to decide something first; what was safe has been done
└── LockNotAvailable   others kept what was needed locked for the whole budget
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .planning.plan import Refusal


class ReconciliationError(Exception):
    """Stops a reconciliation. The message says what was found, what was expected and what to do."""


class Unsupported(ReconciliationError):
    """The server, the role or the pooler in between can't carry a reconciliation."""


class Refused(ReconciliationError):
    """Differences remain that only a person can decide about. Everything else has been done."""

    def __init__(self, refusals: "Sequence[Refusal]") -> None:
        self.refusals = tuple(refusals)
        super().__init__("\n".join(str(refusal) for refusal in self.refusals))


class LockNotAvailable(ReconciliationError):
    """Another session kept a lock for longer than the budget. The message shows which."""
