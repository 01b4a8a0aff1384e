"""Declared constraints and real ones: keys, which an index stands behind, and rules, which can be added NOT VALID."""

from collections.abc import Collection, Iterator

from ..schema.model import Constraint, Index, Table, is_helper_name
from .differences import Difference, Kind
from .matching import Matches, match, of_kinds

# Primary keys, unique and exclusion constraints


def key_differences(wanted: Table, found: Table, matches: Matches) -> Iterator[Difference]:
    for constraint in of_kinds(wanted, "pux"):
        yield from _one_key(found, constraint, matches.keys.get(constraint.name), matches.claimed_constraints)


def adoptable_index(table: Table, wanted: Constraint) -> Index | None:
    """Find a unique index that only needs to be declared the constraint's."""
    if wanted.index is None or wanted.kind == "x":
        return None
    real = [index for index in table.indexes if index.constraint is None and index.valid]
    return match([wanted.index], real).get(wanted.index.name)


def _one_key(
    table: Table, wanted: Constraint, match: Constraint | None, claimed: Collection[str]
) -> Iterator[Difference]:
    if match is None:
        holder = (table.primary_key if wanted.kind == "p" else None) or table.constraint(wanted.name)
        missing = holder is None or holder.name in claimed
        kind = Kind.CONSTRAINT_MISSING if missing else Kind.CONSTRAINT_DEFINITION
        actual = "nothing" if holder is None or missing else holder.text
        found = adoptable_index(table, wanted)
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted, found, holder)
        return
    if match.index is not None and not match.index.valid:
        kind, actual = Kind.KEY_INDEX_INVALID, f"{match.text} with an INVALID index"
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted, match)
    holder = table.constraint(wanted.name)
    if holder is not None and holder.kind not in "pux" and holder.name in claimed:
        holder = None  # it is renamed, too
    if match.name != wanted.name and holder is not None and holder.kind not in "pux":
        # Somebody's rule, of another kind, has the name.
        kind, actual = Kind.CONSTRAINT_DEFINITION, _as_found(holder)
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted, match, holder)
    elif match.name != wanted.name:
        yield _constraint_name(wanted, match, table, holder)


def _constraint_name(
    wanted: Constraint, found: Constraint, table: Table, holder: Constraint | None = None
) -> Difference:
    actual = f"named {found.name}"
    return Difference(table.name, Kind.CONSTRAINT_NAME, wanted.name, wanted.text, actual, wanted, found, holder)


# Foreign keys and checks


def foreign_key_differences(wanted: Table, found: Table, matches: Matches) -> Iterator[Difference]:
    for constraint in of_kinds(wanted, "f"):
        match = matches.foreign_keys.get(constraint.name)
        holder = _contradiction(found, constraint, match)
        yield from _one_rule(found, constraint, match, _unclaimed(holder, matches))


def check_differences(wanted: Table, found: Table, matches: Matches) -> Iterator[Difference]:
    for constraint in of_kinds(wanted, "c"):
        match = matches.checks.get(constraint.name)
        holder = _holder_of_name(found, constraint, match)
        yield from _one_rule(found, constraint, match, _unclaimed(holder, matches))


def _unclaimed(holder: Constraint | None, matches: Matches) -> Constraint | None:
    return None if holder is None or holder.name in matches.claimed_constraints else holder


def _holder_of_name(table: Table, wanted: Constraint, match: Constraint | None) -> Constraint | None:
    holder = table.constraint(wanted.name)
    return holder if holder is not None and holder is not match else None


def _contradiction(table: Table, wanted: Constraint, match: Constraint | None) -> Constraint | None:
    """Find the foreign key in the way: of the wanted name, or from the same columns to the same ones but otherwise.

    Otherwise: with other actions, or not enforced. An equal one is only a repetition; and where the wanted one stands
    under its own name, any other is a stranger's.
    """
    if match is not None and not is_helper_name(match.name):
        return _holder_of_name(table, wanted, match)
    for other in table.constraints:
        if other.kind != "f" or other is match:
            continue
        same_ends = (other.columns, other.target, other.target_columns) == (
            wanted.columns,
            wanted.target,
            wanted.target_columns,
        )
        if same_ends and (other.definition != wanted.definition or not other.enforced):
            return other
    return _holder_of_name(table, wanted, match)


def _one_rule(
    table: Table, wanted: Constraint, match: Constraint | None, holder: Constraint | None
) -> Iterator[Difference]:
    if match is None:
        kind = Kind.CONSTRAINT_MISSING if holder is None else Kind.CONSTRAINT_DEFINITION
        actual = "nothing" if holder is None else _as_found(holder)
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted=wanted, holder=holder)
        return
    if match.timing != wanted.timing:
        kind = Kind.CONSTRAINT_DEFERRABILITY
        yield Difference(table.name, kind, wanted.name, wanted.timing, match.timing, wanted, match)
    if not match.validated:
        kind, actual = Kind.CONSTRAINT_UNVALIDATED, f"{match.text} NOT VALID"
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted, match)
    if holder is not None:
        kind, actual = Kind.CONSTRAINT_DEFINITION, f"also {_as_found(holder)}"
        yield Difference(table.name, kind, wanted.name, wanted.text, actual, wanted, match, holder)
    elif match.name != wanted.name:
        yield _constraint_name(wanted, match, table)


def _as_found(constraint: Constraint) -> str:
    if constraint.enforced:
        return f"{constraint.name}: {constraint.text}"
    why = "its triggers disabled" if constraint.triggers_disabled else "NOT ENFORCED"
    return f"{constraint.name}: {constraint.text}, {why}"
