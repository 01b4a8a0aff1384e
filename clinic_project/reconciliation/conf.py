"""The setting RECONCILIATION: whose tables are reconciled, which differences are meant, how long that waits, and how many
rows it changes at a time."""

from dataclasses import dataclass, fields
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

#: The value of `apps` that stands for every installed app that has migrations.
EVERY_APP = "*"

#: The keys that aren't budgets.
_APPS, _IGNORE = "apps", "ignore"


def milliseconds(seconds: float) -> str:
    """Return a time in the form of PostgreSQL's settings; at least 1 ms, since 0 would mean no limit."""
    return f"{max(1, round(seconds * 1000))}ms"


@dataclass(frozen=True, slots=True)
class Budgets:
    """The defaults, overridden one by one in the setting. Times are in seconds.

    `lock_timeout`: how long one attempt of a statement may wait for a lock that blocks writers.
    `lock_budget`: how long such a statement is retried, in all, before its repair is abandoned.
    `build_budget`: how long a concurrent build may wait for old transactions; it blocks no session meanwhile.
    `migration_budget`: how long a `migrate` waits for another one to end.
    `batch_rows`: how many rows a backfill changes in one transaction, at most.
    """

    lock_timeout: float = 0.5
    lock_budget: float = 600
    build_budget: float = 3600
    migration_budget: float = 6 * 3600
    batch_rows: int = 1000

    @classmethod
    def from_settings(cls) -> Self:
        """Read the setting. Raises ImproperlyConfigured for unknown keys, and for values that aren't numbers above 0."""
        setting = _setting()
        names = {field.name: None for field in fields(cls)}
        unknown = sorted(set(setting) - set(names) - {_APPS, _IGNORE})
        if unknown:
            known = ", ".join((*names, _APPS, _IGNORE))
            raise ImproperlyConfigured(f"RECONCILIATION has unknown keys: {', '.join(unknown)}. Known keys: {known}.")
        setting = {name: value for name, value in setting.items() if name in names}
        wrong = [name for name, value in setting.items() if not isinstance(value, int | float) or value <= 0]
        if wrong:
            found = ", ".join(f"{name} = {setting[name]!r}" for name in wrong)
            raise ImproperlyConfigured(f"RECONCILIATION: expected numbers above 0, found {found}.")
        return cls(**setting)


def configured_apps() -> frozenset[str] | None:
    """Return the labels that the setting names in `apps`, by default none; None for "*".

    Raises ImproperlyConfigured where it is anything else than "*" or a list of labels.
    """
    value = _setting().get(_APPS, ())
    return None if value == EVERY_APP else _texts(_APPS, f'"{EVERY_APP}" or a list of labels of installed apps')


def ignored_labels() -> frozenset[str]:
    """Return the labels of the objects that the setting names in `ignore`: how they differ is meant.

    A label is a table's name, or a table's and an object's with a dot between them, as reports print it. It isn't taken
    apart: names may have dots in them. Raises ImproperlyConfigured where `ignore` isn't a list of texts.
    """
    return _texts(_IGNORE, "a list of tables, and of tables and objects with a dot between them")


def _texts(key: str, expected: str) -> frozenset[str]:
    value = _setting().get(key, ())
    if not isinstance(value, list | tuple | set | frozenset) or not all(isinstance(text, str) for text in value):
        raise ImproperlyConfigured(f'RECONCILIATION["{key}"]: expected {expected}, found {value!r}.')
    return frozenset(value)


def _setting() -> dict[str, Any]:
    setting: dict[str, Any] = getattr(settings, "RECONCILIATION", {})
    return setting
