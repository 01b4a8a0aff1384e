"""Which repairs of a plan remain when some were abandoned."""

from ...execution.abandonment import AbandonedRepairs
from ...planning.plan import Condition, ConditionKind, Phase, Plan, Refusal, RefusalCode, Repair

COLUMN = frozenset({Condition(ConditionKind.COLUMN_EXISTS, "cow", ("horns",))})
ADD_COLUMN = Repair(Phase.COLUMNS, "cow", ("horns",), (), provides=COLUMN)
BUILD_INDEX = Repair(Phase.INDEXES, "cow", ("cow_by_horns",), (), requires=COLUMN)
OF_ANOTHER = Repair(Phase.INDEXES, "goat", ("goat_by_beard",), ())
PLAN = Plan((ADD_COLUMN, BUILD_INDEX, OF_ANOTHER))


def abandoned(code: RefusalCode) -> AbandonedRepairs:
    repairs = AbandonedRepairs()
    repairs.add(ADD_COLUMN, Refusal(code, "cow", "horns", "no.", "do."))
    return repairs


def test_what_requires_an_abandoned_repair_is_blocked_and_the_rest_remains():
    assert abandoned(RefusalCode.LOCKED).remaining(PLAN) == (OF_ANOTHER,)


def test_a_refusal_names_what_it_blocks():
    (refusal,) = abandoned(RefusalCode.LOCKED).refusals(PLAN)
    assert "cow.cow_by_horns" in str(refusal)


def test_a_failed_statement_is_retried_and_a_locked_table_is_not():
    failed, locked = abandoned(RefusalCode.STATEMENT_FAILED), abandoned(RefusalCode.LOCKED)
    failed.retry_failed_statements()
    locked.retry_failed_statements()
    assert failed.remaining(PLAN) == PLAN.repairs
    assert locked.remaining(PLAN) == (OF_ANOTHER,)
