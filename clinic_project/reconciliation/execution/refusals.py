"""Why a repair that was begun could not be finished."""

from collections.abc import Sequence

from django.db import Error

from ..planning.plan import Refusal, Step
from ..sqlstates import message, sqlstate
from .sessions import Session

LOCKED = "locked"

#: PostgreSQL raised an error for a step.
STATEMENT_FAILED = "statement-failed"


def locked(step: Step, budget: float, lock_holders: Sequence[Session]) -> Refusal:
    """The step didn't get its locks within `budget` seconds."""
    holders = "; ".join(str(session) for session in lock_holders) or "no session any more"
    return Refusal(
        LOCKED,
        step.table,
        step.table,
        f"to {step.reason}, expected a {step.lock} lock within {budget:g} s, found locks held by {holders}.",
        "Wait until these sessions end, or end them (SELECT pg_terminate_backend(pid); a prepared transaction by the"
        " command shown), then run migrate again.",
    )


def statement_failed(step: Step, name: str, error: Error) -> Refusal:
    return Refusal(
        STATEMENT_FAILED,
        step.table,
        name,
        f"PostgreSQL refused to {step.reason}: {message(error)} (SQLSTATE {sqlstate(error)}) in: {step.sql}",
        "Resolve the cause that the message names, then run migrate again.",
    )
