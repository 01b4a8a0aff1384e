"""Which differences make an application's queries fail, and who can repair them: `migrate`, or a person."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ..comparison.differences import (
    ColumnDifference,
    Difference,
    Differences,
    Kind,
    RejectedTable,
    Undeclared,
    UndeclaredKind,
)
from ..schema.model import Column, ObjectReference
from .plan import Plan, RefusalCode, Repair

#: Queries fail, whichever they are.
_FATAL = (Kind.TABLE_MISSING, Kind.TABLE_NOT_A_TABLE, Kind.COLUMN_MISSING)

#: Inserts fail, because no key is generated, or one that is there already.
_KEYS = (Kind.KEY_WITHOUT_GENERATOR, Kind.SEQUENCE_BEHIND, Kind.SEQUENCE_EXHAUSTED)


@dataclass(frozen=True, slots=True)
class ServingProblem:
    """What makes queries fail. `repairable` is whether `migrate` repairs it; a person has to decide otherwise.

    `undeclared` is whether it is a column that no model declares.
    """

    subject: ObjectReference
    expected: str
    found: str
    repairable: bool
    undeclared: bool = False


def serving_problems(
    differences: Differences, plan: Plan, filled: Collection[str], inserted: Collection[str] | None = None
) -> Iterator[ServingProblem]:
    """Yield what makes queries of the declared tables fail, or inserts into the tables `inserted`; None means all.

    `filled` are those of the tables `tables_to_be_empty` that have rows.
    """
    repaired = {
        (repair.table, name)
        for repair in plan.possible
        if not (repair.table in filled and _requires_no_rows(repair))
        for name in repair.names
    }
    for item in differences.items:
        inserts = inserted is None or item.table in inserted
        if _fails_queries(item) or (inserts and _rejects_inserts(item)):
            repairable = (item.table, item.name) in repaired
            yield ServingProblem(item.subject, item.declared_text, item.actual_text, repairable)
    for undeclared in differences.undeclared:
        inserts = inserted is None or undeclared.table in inserted
        column = _undeclared_column(differences, undeclared)
        if inserts and column is not None and column.rejects_rows:
            subject = ObjectReference(undeclared.table, undeclared.name)
            found = f"{column.definition} without a default"
            yield ServingProblem(subject, "nothing", found, repairable=False, undeclared=True)


def tables_to_be_empty(plan: Plan) -> set[str]:
    """Return the tables to which columns are added that can only be added where there are no rows."""
    return {repair.table for repair in plan.possible if _requires_no_rows(repair)}


def _requires_no_rows(repair: Repair) -> bool:
    codes = {step.violations.refusal.code for step in repair.steps if step.violations is not None}
    return not codes.isdisjoint({RefusalCode.COLUMN_WITHOUT_VALUE, RefusalCode.COLUMN_NEEDS_REWRITE})


def _fails_queries(item: Difference) -> bool:
    return item.kind in _FATAL or (isinstance(item, RejectedTable) and not item.exists)


def _rejects_inserts(item: Difference) -> bool:
    """Whether inserts fail that name the declared columns, with NULL where that is declared."""
    if not isinstance(item, ColumnDifference):
        return False
    declared, actual = item.declared, item.actual
    if item.kind is Kind.COLUMN_DEFAULT:
        return declared.default is not None and actual.default is None and actual.not_null
    if item.kind is Kind.COLUMN_TYPE:
        return actual.generated is not None and declared.generated is None
    if item.kind is Kind.SEQUENCE_LIMIT:
        return actual.next_value_is_too_low or (actual.sequence is not None and actual.sequence.is_at_end)
    return item.kind in _KEYS or item.kind is Kind.COLUMN_NOT_NULL


def _undeclared_column(differences: Differences, undeclared: Undeclared) -> Column | None:
    if undeclared.kind is not UndeclaredKind.COLUMN:
        return None
    return differences.actual.tables[undeclared.table].columns[undeclared.name]
