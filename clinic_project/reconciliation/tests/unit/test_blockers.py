"""What blocks what: queries change nothing, and recording returns new blockers."""

from ...planning.blockers import Blockers
from ...planning.dependencies import name_is_free, table_exists
from ...planning.plan import Note, NoteCode, Refusal, RefusalCode
from ...schema.model import ObjectReference

VIEW = Refusal(RefusalCode.NOT_A_TABLE, "patient", "patient", "found a view.", "Rename it.")
NO_CLINIC = Note(NoteCode.MISSING_PARENT, "clinic", "clinic", "found none.")
VISIT = ObjectReference("visit", "visit")
PATIENT, CLINIC, VISITS = (frozenset({table_exists(name)}) for name in ("patient", "clinic", "visit"))


def test_nothing_is_blocked_at_first():
    assert Blockers().blocked_by(PATIENT) == []


def test_what_requires_an_unmet_condition_is_blocked_by_its_cause():
    blockers = Blockers().block(VIEW, PATIENT)
    assert blockers.blocked_by(PATIENT | CLINIC) == [VIEW]
    assert blockers.blocked_by(CLINIC) == []
    assert blockers.blocked_by(frozenset({name_is_free("patient", "patient")})) == []


def test_a_query_records_nothing():
    blockers = Blockers().block(VIEW, PATIENT)
    blockers.blocked_by(PATIENT)
    assert blockers.with_dependents(VIEW).blocked == ()


def test_what_a_blocked_one_would_provide_is_blocked_by_the_same_causes():
    blockers = Blockers().block(VIEW, PATIENT).block(NO_CLINIC, CLINIC)
    causes = blockers.blocked_by(PATIENT | CLINIC)
    blockers = blockers.block_dependents(causes, [VISIT], VISITS)
    assert blockers.blocked_by(VISITS) == [VIEW, NO_CLINIC]
    assert blockers.with_dependents(VIEW).blocked == (VISIT,)
    assert blockers.with_dependents(NO_CLINIC).blocked == (VISIT,)


def test_a_cause_does_not_block_itself():
    blockers = Blockers().block_dependents([VIEW], [VIEW.subject, VISIT])
    assert blockers.with_dependents(VIEW).blocked == (VISIT,)
    assert str(blockers.with_dependents(VIEW)) == "patient: found a view. Rename it. Blocked by this: visit."
