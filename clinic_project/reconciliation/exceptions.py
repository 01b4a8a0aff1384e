"""The errors that stop a reconciliation.

ReconciliationError
├── Unsupported        a reconciliation can't run on this server, as this role, or through this pooler
├── Refused            a person has to decide something first; what was safe has been done
│   └── CannotServe    nor can an application use the database: it is read-only, or has none of the tables
├── LockNotAvailable   another session held a lock for the whole budget
└── ConnectionLost     the session has ended; the next run continues from the schema that it finds
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .planning.plan import Refusal


class ReconciliationError(Exception):
    """A reconciliation was stopped. The message says what was found, what was expected and what to do."""


class Unsupported(ReconciliationError):
    """A reconciliation can't run on this server, as this role, or through the pooler in between."""


class Refused(ReconciliationError):
    """Differences remain that only a person can decide about. What was safe has been done."""

    def __init__(self, refusals: "Sequence[Refusal]") -> None:
        self.refusals = tuple(refusals)
        super().__init__("\n".join(str(refusal) for refusal in self.refusals))


class CannotServe(Refused):
    """Nor can an application use the database: it is read-only, or has no schema that this role may use."""


class LockNotAvailable(ReconciliationError):
    """Another session held a lock for longer than the budget. The message names it."""


class ConnectionLost(ReconciliationError):
    """The session has ended. What is done stays, and the next run continues from there."""
