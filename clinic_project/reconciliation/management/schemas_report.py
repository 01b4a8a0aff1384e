"""What is said of many schemas: those with equal outcomes together, so that it stays short."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from textwrap import indent
from typing import Any

from ..planning.plan import CountPhrase, Refusal
from .console import refusals_text
from .schema_outcome import SchemaOutcome, Status

SCHEMAS = CountPhrase("schema", "schemas")
_MIGRATIONS = CountPhrase("migration applied", "migrations applied")
_REPAIRS = CountPhrase("step of repairs", "steps of repairs")

#: How many schemas are named, and steps told, before the rest is counted.
NAMED = 10

#: What needs no person, and what is the end of an interrupted run; all else is an error.
_FINE = (Status.VERIFIED, Status.GONE)

_HEADINGS = {
    Status.VERIFIED: "as declared",
    Status.REFUSED: "not as declared",
    Status.FAILED: "failed",
    Status.UNREACHABLE: "without a connection",
    Status.INTERRUPTED: "interrupted: what is done there stays",
    Status.NOT_BEGUN: "not begun",
    Status.GONE: "gone: dropped meanwhile",
}


def groups(outcomes: Iterable[SchemaOutcome]) -> list[list[SchemaOutcome]]:
    """Return the outcomes with equal ones together: those that need nobody first, then the largest groups first."""
    found: dict[tuple[Any, ...], list[SchemaOutcome]] = {}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.schema):
        found.setdefault(_key(outcome), []).append(outcome)
    return sorted(found.values(), key=lambda group: (group[0].status not in _FINE, -len(group), group[0].schema))


def _key(outcome: SchemaOutcome) -> tuple[Any, ...]:
    """Return what is equal where outcomes are: what is refused, however many rows it is about, and that a connection failed,
    for whatever reason."""
    if outcome.status is Status.UNREACHABLE:
        return (outcome.status,)
    words = [text.replace(outcome.schema, "") for text in (outcome.error, outcome.warnings)]
    if outcome.refusals:
        words = sorted(map(_name, outcome.refusals))
    return outcome.status, outcome.applied, outcome.repairs, *words


def group_texts(outcomes: Iterable[SchemaOutcome]) -> Iterator[str]:
    """Yield what is said of each group. A refusal that was told of an earlier one is only named."""
    told: set[str] = set()
    for first, *others in groups(outcomes):
        yield group_text([_without_told(first, told), *others])
        told.update(map(_name, first.refusals))


def _without_told(outcome: SchemaOutcome, told: set[str]) -> SchemaOutcome:
    known = [refusal for refusal in outcome.refusals if _name(refusal) in told]
    if not known:
        return outcome
    others = [refusal for refusal in outcome.refusals if refusal not in known]
    as_above = f"As told above: {', '.join(map(_name, known))}."
    return replace(
        outcome, error=f"{refusals_text(others)}\n{as_above}" if others else as_above, refusals=tuple(others)
    )


def _name(refusal: Refusal) -> str:
    return f"{refusal.subject.label} [{refusal.code}]"


def group_text(group: Sequence[SchemaOutcome]) -> str:
    """Return what is said of schemas with equal outcomes, in the words of the first one."""
    first = group[0]
    details = _indented(_shortened(first.repairs)) if first.repairs else []
    if first.warnings or first.error:
        if len(group) > 1:
            others = " (the statements for the others: --json)" if any(r.statements for r in first.refusals) else ""
            details.append(f"  In {first.schema}{others}:")
        details += [indent(text, "  ") for text in (first.warnings, first.error) if text]
    named = "" if _says_nothing(first) else f" ({names_text([outcome.schema for outcome in group])})"
    return "\n".join([f"{SCHEMAS.text(len(group))} {_heading(first)}{named}", *details])


def _says_nothing(outcome: SchemaOutcome) -> bool:
    return outcome.status is Status.VERIFIED and not (outcome.applied or outcome.repairs or outcome.warnings)


def _heading(outcome: SchemaOutcome) -> str:
    counts = [(_MIGRATIONS, len(outcome.applied)), (_REPAIRS, len(outcome.repairs))]
    done = "".join(f", {phrase.text(count)}" for phrase, count in counts if count)
    return f"{_HEADINGS[outcome.status]}{done}"


def names_text(schemas: Sequence[str]) -> str:
    return ", ".join(_shortened(schemas))


def _shortened(texts: Sequence[str]) -> list[str]:
    return [*texts[:NAMED], *([f"and {len(texts) - NAMED} more"] if len(texts) > NAMED else [])]


def _indented(lines: Iterable[str]) -> list[str]:
    return [indent(line, "    ") for line in lines]


def open_outcomes(outcomes: Iterable[SchemaOutcome]) -> list[SchemaOutcome]:
    """Return those after which the schema isn't as declared, by the schemas' names."""
    found = [outcome for outcome in outcomes if outcome.status not in _FINE]
    return sorted(found, key=lambda outcome: outcome.schema)


def as_json(
    database: str, outcomes: Iterable[SchemaOutcome], left_out: Sequence[str], seconds: float
) -> dict[str, Any]:
    """Return the report in a stable form on which programs can rely: the engine's README lists it."""
    return {
        "database": database,
        "seconds": round(seconds, 3),
        "schemas": [
            {**asdict(outcome), "refusals": [refusal_as_json(refusal) for refusal in outcome.refusals]}
            for outcome in sorted(outcomes, key=lambda outcome: outcome.schema)
        ],
        "left_out": list(left_out),
    }


def refusal_as_json(refusal: Refusal) -> dict[str, Any]:
    keys = ("code", "table", "name", "reason", "remedy", "statements")
    blocked = [reference._asdict() for reference in refusal.blocked]
    return {**{key: getattr(refusal, key) for key in keys}, "blocked": blocked}
