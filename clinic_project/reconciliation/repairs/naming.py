"""Right objects under wrong names: renamed together, so that names can also be swapped."""

from collections.abc import Callable, Sequence

from ..schema import Table, helper_name, identifier

Rename = Callable[[str, str], str]


def constraint_renamed(table: Table, before: str, after: str) -> str:
    return f"ALTER TABLE {table.sql_name} RENAME CONSTRAINT {identifier(before)} TO {identifier(after)}"


def renames(table: Table, pairs: Sequence[tuple[str, str]], holders: Sequence[str], rename: Rename) -> tuple[str, ...]:
    """Return the statements that give the first name of each pair the second.

    `holders` are wrong objects that hold a wanted name: they step aside, to a helper name of role "old". Where a wanted
    name is held by another object of the pairs, all pass through helper names, in one transaction.
    """
    before = {first for first, _ in pairs}
    aside = [rename(holder, helper_name("old", table.name, holder)) for holder in holders if holder not in before]
    if not any(second in before for _, second in pairs):
        return (*aside, *(rename(first, second) for first, second in pairs))
    parked = [(first, helper_name("new", table.name, second), second) for first, second in pairs]
    return (
        *(rename(first, helper) for first, helper, _ in parked if first != helper),
        *aside,
        *(rename(helper, second) for _, helper, second in parked),
    )
