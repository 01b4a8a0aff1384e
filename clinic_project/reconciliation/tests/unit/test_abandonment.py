"""Which repairs of a plan are left when some were abandoned."""

from ...execution.abandonment import AbandonedRepairs
from ...execution.refusals import LOCKED, STATEMENT_FAILED
from ...planning.plan import Footing, Phase, Plan, Refusal, Repair

COLUMN = frozenset({Footing("type", "cow", ("horns",))})
ADD_COLUMN = Repair(Phase.COLUMNS, "cow", ("horns",), (), gives=COLUMN)
BUILD_INDEX = Repair(Phase.INDEXES, "cow", ("cow_by_horns",), (), needs=COLUMN)
OF_ANOTHER = Repair(Phase.INDEXES, "goat", ("goat_by_beard",), ())
PLAN = Plan((ADD_COLUMN, BUILD_INDEX, OF_ANOTHER))


def abandoned(code: str) -> AbandonedRepairs:
    repairs = AbandonedRepairs()
    repairs.add(ADD_COLUMN, Refusal(code, "cow", "horns", "no.", "do."))
    return repairs


def test_what_requires_an_abandoned_repair_is_blocked_and_the_rest_remains():
    assert abandoned(LOCKED).remaining(PLAN) == (OF_ANOTHER,)


def test_a_refusal_names_what_it_blocks():
    (refusal,) = abandoned(LOCKED).refusals(PLAN)
    assert "cow.cow_by_horns" in str(refusal)


def test_a_failed_statement_is_retried_and_a_locked_table_is_not():
    failed, locked = abandoned(STATEMENT_FAILED), abandoned(LOCKED)
    failed.retry_failed_statements()
    locked.retry_failed_statements()
    assert failed.remaining(PLAN) == PLAN.repairs
    assert locked.remaining(PLAN) == (OF_ANOTHER,)
