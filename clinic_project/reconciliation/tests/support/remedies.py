"""The remedies that are told for refusals, run as they are told: then `migrate` converges, and every row is as it was."""

import contextlib
import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege

from .databases import Database, Outcome
from .fingerprints import fingerprints, lost_or_changed
from .ways import EXAMPLES, way_of

#: A remedy may bring the next thing to light.
ROUNDS = 3


@dataclass(frozen=True)
class Remedy:
    """A state in which a refusal is told in a `way` (a name in EXAMPLES), and what comes of its remedy.

    A superuser runs `prepared`, then the migrating role `damage`, where `:"db"` and `:"role"` stand for quoted names. What a
    person decides is run before the statements (`person`) or after them (`then`). `says` is in what migrate prints, `checks`
    are queries that are true in the end, `since` is the version of the server that has such a thing.

    `converted` are the columns, as table.column, whose values the remedy converts: all others stay to the letter.
    """

    damage: tuple[str, ...]
    way: str
    person: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    converted: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    since: int = 0
    prepared: tuple[str, ...] = ()


def refusals_of(database: Database) -> list[dict[str, Any]]:
    """Return the refusals of `reconcile --json`."""
    refusals: list[dict[str, Any]] = json.loads(database.manage("reconcile", "--json").output)["refusals"]
    return refusals


def run_remedies(database: Database, migrating: Database) -> dict[str, list[str]]:
    """Run the statements of all refusals; a superuser, as `database`, runs what the role may not. Return them by code."""
    by_code: dict[str, list[str]] = {}
    for refusal in refusals_of(migrating):
        statements = refusal["statements"]
        by_code.setdefault(refusal["code"], []).extend(statements)
        assert all(statement in refusal["remedy"] for statement in statements), "a remedy tells its statements"
        if not _runs(migrating, statements):
            assert "superuser" in refusal["remedy"], "a remedy tells who can run its statements"
            database.execute(*statements)
    return by_code


def _runs(migrating: Database, statements: list[str]) -> bool:
    """Run the statements, and return whether the role may."""
    # A GRANT by a role that may not grant is a mere warning where it has any privilege on the object.
    if any(statement.startswith("GRANT") for statement in statements):
        return False
    try:
        migrating.execute(*statements)
    except InsufficientPrivilege:
        return False
    return True


def told_everywhere(migrating: Database, code: str, name: str) -> None:
    """Fail unless each forecast refuses `name` with that code, and says nothing of anything else."""
    assert {(refusal["code"], refusal["name"]) for refusal in refusals_of(migrating)} == {(code, name)}
    for command in (("reconcile", "--plan"), ("migrate", "--plan")):
        outcome = migrating.manage(*command)
        assert "Traceback" not in outcome.printed
        assert f"[{code}]" in outcome.printed, outcome.printed


# One remedy


def try_remedy(
    remedy: Remedy,
    database: Database,
    migrating: Database,
    *labels: str,
    decide: Callable[[], object] | None = None,
) -> None:
    """Damage the database, and fail unless `migrate` refuses, and the remedy leads to the declared schema.

    `decide` is what a person does that isn't SQL.
    """
    if remedy.since > migrating.value("SELECT current_setting('server_version_num')::int"):
        pytest.skip("this version has no such thing")
    names = {':"db"': f'"{database.name}"', ':"role"': f'"{migrating.role.get("user", "")}"'}
    database.execute(*_filled_in(remedy.prepared, names))
    migrating.execute(*_filled_in(remedy.damage, names))
    converted = dict.fromkeys(remedy.converted)
    before = fingerprints(database, converted)
    outcome = migrating.migrate(*labels)
    assert outcome.status == 1, outcome.printed
    assert "Traceback" not in outcome.printed
    assert [words for words in remedy.says if words not in outcome.printed.replace("\n", " ")] == [], outcome.printed
    told = [*refusals_of(migrating), *printed_refusals(outcome)]
    assert lost_or_changed(database, before, converted) == []
    if remedy.person or decide:
        # Before that, what is told changes no row: it fails as a whole, or isn't about them.
        with contextlib.suppress(psycopg2.DataError, psycopg2.IntegrityError):
            run_remedies(database, migrating)
        assert lost_or_changed(database, before, converted) == []
        database.execute(*_filled_in(remedy.person, names))
        if decide is not None:
            decide()
        before = fingerprints(database, converted)
    _converges(remedy, database, migrating, *labels)
    _undo(told, database, migrating, *labels)
    assert lost_or_changed(database, before, converted) == []
    assert [check for check in remedy.checks if database.rows(check) != [(True,)]] == []
    has_met(remedy.way, told)


def _filled_in(statements: Iterable[str], names: Mapping[str, str]) -> list[str]:
    return [functools.reduce(lambda text, name: text.replace(*name), names.items(), each) for each in statements]


def printed_refusals(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the refusals that `migrate` printed: some are only known when it is run. These have no statements."""
    found = re.findall(
        r"^  \S.* \[([a-z-]+)\]$.*?^    To do: (.*?)(?=^  \S|^    Blocked by|\Z)", outcome.errors, re.M | re.S
    )
    return [{"code": code, "remedy": remedy, "statements": ()} for code, remedy in found]


def _converges(remedy: Remedy, database: Database, migrating: Database, *labels: str) -> None:
    """Run the remedies until `migrate` has none to tell, and with what a person has to do between them."""
    for _ in range(ROUNDS):
        run_remedies(database, migrating)
        database.execute(*remedy.then)
        outcome = migrating.migrate(*labels)
        if outcome.status == 0:
            break
    assert outcome.status == 0, outcome.printed
    # Where only the apps `labels` are migrated, the others differ.
    assert labels or migrating.manage("reconcile", "--check").status == 0


def _undo(told: Iterable[Mapping[str, Any]], database: Database, migrating: Database, *labels: str) -> None:
    """Restore what a remedy says how to restore. Then there is nothing to refuse any more."""
    found = [undo for refusal in told for undo in re.findall(r"Afterwards, (.+) restores it\.", refusal["remedy"])]
    database.execute(*dict.fromkeys(found))
    assert migrating.migrate(*labels).status == 0


# All of them

#: The ways for which there is a test, and those that the present test has met.
COVERED: set[str] = set()
_met: set[str] = set()


def has_met(way: str, told: Iterable[Mapping[str, Any]]) -> None:
    """Record that a remedy of this way was tried, and fail unless one of the refusals was told so."""
    ways = {way_of(each["code"], each["remedy"], each["statements"]) for each in told}
    assert way in ways, (ways, told)
    _met.add(way)


def each_remedy(remedies: Mapping[str, Remedy]) -> pytest.MarkDecorator:
    """Return the parameters of a test that tries each of these."""
    COVERED.update(remedy.way for remedy in remedies.values())
    return pytest.mark.parametrize("remedy", remedies.values(), ids=list(remedies))


def tries(*ways: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a test that tries remedies of these ways. It fails unless it does."""
    assert EXAMPLES.keys() >= set(ways)
    COVERED.update(ways)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(*arguments: Any, **options: Any) -> None:
            _met.clear()
            test(*arguments, **options)
            assert _met == set(ways)

        return run

    return decorate
