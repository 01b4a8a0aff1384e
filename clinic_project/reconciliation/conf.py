"""The settings: how long a reconciliation waits for other sessions, and how much it does at a time."""

from dataclasses import dataclass, fields
from typing import Self

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def milliseconds(seconds: float) -> str:
    """Return a time as PostgreSQL's settings take it; never 0, which would be no limit."""
    return f"{max(1, round(seconds * 1000))}ms"


@dataclass(frozen=True, slots=True)
class Budgets:
    """The defaults, overridden one by one in the setting RECONCILIATION, a dict. Times are in seconds.

    `lock_timeout`: the longest that one attempt of a statement waits for a lock that blocks writers.
    `lock_budget`: how long such a statement is tried again, in all, before its repair is abandoned.
    `build_budget`: how long a concurrent build may wait for old transactions; it blocks nobody meanwhile.
    `migration_budget`: how long a `migrate` waits for another one to end.
    `batch_rows`: how many rows a backfill changes in one transaction.
    """

    lock_timeout: float = 0.5
    lock_budget: float = 600
    build_budget: float = 3600
    migration_budget: float = 6 * 3600
    batch_rows: int = 1000

    @classmethod
    def from_settings(cls) -> Self:
        """Read the setting. Raises ImproperlyConfigured for unknown keys, and for values that are no numbers above 0."""
        given = getattr(settings, "RECONCILIATION", {})
        unknown = sorted(set(given) - {field.name for field in fields(cls)})
        if unknown:
            known = ", ".join(field.name for field in fields(cls))
            raise ImproperlyConfigured(f"RECONCILIATION has unknown keys: {', '.join(unknown)}. Known ones: {known}.")
        wrong = [name for name, value in given.items() if not isinstance(value, int | float) or value <= 0]
        if wrong:
            raise ImproperlyConfigured(
                f"RECONCILIATION requires numbers above 0; found others for: {', '.join(wrong)}."
            )
        return cls(**given)
