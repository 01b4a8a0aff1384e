"""Differences between declared constraints and actual ones: keys, which have an index, and foreign keys and checks."""

from collections.abc import Collection, Iterator

from ..schema.model import Constraint, ConstraintKind, Index, Table, is_helper_name
from .differences import Difference, Kind, MatchedConstraint, MissingConstraint, WrongConstraint
from .matching import KEY_KINDS, Matches, match

# Primary keys, unique and exclusion constraints


def key_differences(declared: Table, actual: Table, matches: Matches) -> Iterator[Difference]:
    for constraint in declared.constraints_of(KEY_KINDS):
        matched = matches.keys.get(constraint.name)
        if matched is None:
            yield _unmatched_key(actual, constraint, matches.claimed_constraints)
        else:
            yield from _matched_key(actual, constraint, matched, matches.claimed_constraints)


def _unmatched_key(table: Table, declared: Constraint, claimed: Collection[str]) -> Difference:
    other_key = table.primary_key if declared.kind is ConstraintKind.PRIMARY_KEY else None
    conflicting = other_key or table.constraint(declared.name)
    index = _usable_index(table, declared)
    name, sql = declared.name, declared.sql
    if conflicting is None or conflicting.name in claimed:
        kind = Kind.CONSTRAINT_MISSING
        return MissingConstraint(table.name, kind, name, sql, "nothing", declared, conflicting, index)
    kind = Kind.CONSTRAINT_DEFINITION
    return WrongConstraint(table.name, kind, name, sql, conflicting.sql, declared, conflicting, None, index)


def _usable_index(table: Table, declared: Constraint) -> Index | None:
    """Return a unique index that ADD CONSTRAINT … USING INDEX can use, if there is one."""
    if declared.index is None or declared.kind is ConstraintKind.EXCLUSION:
        return None
    actual = [index for index in table.indexes if index.constraint is None and index.valid]
    return match([declared.index], actual).get(declared.index.name)


def _matched_key(
    table: Table, declared: Constraint, actual: Constraint, claimed: Collection[str]
) -> Iterator[Difference]:
    name, sql = declared.name, declared.sql
    if actual.index is not None and not actual.index.valid:
        text = f"{actual.sql} with an INVALID index"
        yield MatchedConstraint(table.name, Kind.KEY_INDEX_INVALID, name, sql, text, declared, None, actual)
    if actual.name == name:
        return
    conflicting = table.constraint(name)
    if conflicting is not None and not conflicting.kind.is_key and conflicting.name in claimed:
        conflicting = None  # it is renamed by the same plan
    if conflicting is None or conflicting.kind.is_key:
        yield _misnamed(table, declared, actual, conflicting)
        return
    # A foreign key or check that no model declares has the name.
    text = _conflict_text(conflicting)
    yield WrongConstraint(
        table.name, Kind.CONSTRAINT_DEFINITION, name, sql, text, declared, conflicting, actual, usable_index=None
    )


def _misnamed(
    table: Table, declared: Constraint, actual: Constraint, conflicting: Constraint | None = None
) -> Difference:
    text, kind = f"named {actual.name}", Kind.CONSTRAINT_NAME
    return MatchedConstraint(table.name, kind, declared.name, declared.sql, text, declared, conflicting, actual)


# Foreign keys and checks


def foreign_key_differences(declared: Table, actual: Table, matches: Matches) -> Iterator[Difference]:
    for constraint in declared.constraints_of([ConstraintKind.FOREIGN_KEY]):
        matched = matches.foreign_keys.get(constraint.name)
        conflicting = _contradicting(actual, constraint, matched)
        yield from _foreign_key_or_check(actual, constraint, matched, _unclaimed(conflicting, matches))


def check_differences(declared: Table, actual: Table, matches: Matches) -> Iterator[Difference]:
    for constraint in declared.constraints_of([ConstraintKind.CHECK]):
        matched = matches.checks.get(constraint.name)
        conflicting = _name_owner(actual, constraint, matched)
        yield from _foreign_key_or_check(actual, constraint, matched, _unclaimed(conflicting, matches))


def _unclaimed(conflicting: Constraint | None, matches: Matches) -> Constraint | None:
    return None if conflicting is None or conflicting.name in matches.claimed_constraints else conflicting


def _name_owner(table: Table, declared: Constraint, matched: Constraint | None) -> Constraint | None:
    owner = table.constraint(declared.name)
    return owner if owner is not None and owner is not matched else None


def _contradicting(table: Table, declared: Constraint, matched: Constraint | None) -> Constraint | None:
    """Return the constraint that conflicts with a declared foreign key, if there is one.

    That is a foreign key between the same columns with other actions, or one that isn't enforced; else the owner of the
    declared name. An equal one is only a duplicate. If the declared one has its declared name already, other foreign keys
    are undeclared ones, which are left alone.
    """
    if matched is not None and not is_helper_name(matched.name):
        return _name_owner(table, declared, matched)
    for other in table.constraints_of([ConstraintKind.FOREIGN_KEY]):
        if other is not matched and _contradicts(other, declared):
            return other
    return _name_owner(table, declared, matched)


def _contradicts(other: Constraint, declared: Constraint) -> bool:
    same_ends = (other.columns, other.target, other.target_columns) == (
        declared.columns,
        declared.target,
        declared.target_columns,
    )
    return same_ends and (other.definition != declared.definition or not other.enforced)


def _foreign_key_or_check(
    table: Table, declared: Constraint, matched: Constraint | None, conflicting: Constraint | None
) -> Iterator[Difference]:
    if matched is None:
        yield _unmatched(table, declared, conflicting)
    else:
        yield from _matched(table, declared, matched, conflicting)


def _unmatched(table: Table, declared: Constraint, conflicting: Constraint | None) -> Difference:
    name, sql = declared.name, declared.sql
    if conflicting is None:
        kind = Kind.CONSTRAINT_MISSING
        return MissingConstraint(table.name, kind, name, sql, "nothing", declared, None, usable_index=None)
    kind, text = Kind.CONSTRAINT_DEFINITION, _conflict_text(conflicting)
    return WrongConstraint(table.name, kind, name, sql, text, declared, conflicting, None, usable_index=None)


def _matched(
    table: Table, declared: Constraint, actual: Constraint, conflicting: Constraint | None
) -> Iterator[Difference]:
    name, sql = declared.name, declared.sql
    if actual.deferrability != declared.deferrability:
        kind, texts = Kind.CONSTRAINT_DEFERRABILITY, (declared.deferrability, actual.deferrability)
        yield MatchedConstraint(table.name, kind, name, *texts, declared, None, actual)
    if not actual.validated:
        kind, text = Kind.CONSTRAINT_UNVALIDATED, f"{actual.sql} NOT VALID"
        yield MatchedConstraint(table.name, kind, name, sql, text, declared, None, actual)
    if conflicting is not None:
        kind, text = Kind.CONSTRAINT_DEFINITION, f"also {_conflict_text(conflicting)}"
        yield WrongConstraint(table.name, kind, name, sql, text, declared, conflicting, actual, usable_index=None)
    elif actual.name != name:
        yield _misnamed(table, declared, actual)


def _conflict_text(constraint: Constraint) -> str:
    if constraint.enforced:
        return f"{constraint.name}: {constraint.sql}"
    why = "its triggers disabled" if constraint.triggers_disabled else "NOT ENFORCED"
    return f"{constraint.name}: {constraint.sql}, {why}"
