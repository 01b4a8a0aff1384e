"""Triggers and functions, from schemas written by hand: the differences, and what is planned for them."""

from dataclasses import replace

import pytest

from ...comparison import compare
from ...comparison.differences import Difference, Kind
from ...planning.plan import NoteCode, Phase, Plan, RefusalCode
from ...planning.planner import make_plan
from ...schema.model import Function, Schema, Table, TriggerMode
from .schemas import DECLARED, ID, NOTE, PATIENT, PATIENT_TABLE, SERVER, STATUS, table, trigger

HISTORY = trigger("history")
RECORD = Function("record", "", "trigger", ")\n RETURNS trigger …", "clinic")
RECORDED = replace(DECLARED, triggers=(HISTORY,), owner="clinic")

KINDS = {kind for kind in Kind if kind.startswith(("trigger-", "function-"))}

#: A kind, the actual triggers and functions, what is told, and the reason of its step.
CASES = [
    (Kind.TRIGGER_MISSING, (), [RECORD], (HISTORY.sql, "nothing"), "create the trigger history"),
    (
        Kind.TRIGGER_DEFINITION,
        (trigger("history", fires="AFTER DELETE"),),
        [RECORD],
        (HISTORY.sql, HISTORY.sql.replace("UPDATE", "DELETE")),
        "replace the trigger history",
    ),
    (
        Kind.TRIGGER_MODE,
        (trigger("history", mode=TriggerMode.DISABLED),),
        [RECORD],
        ("enabled for ALWAYS", "DISABLED"),
        "enable the trigger history",
    ),
    (Kind.TRIGGER_NAME, (trigger("audit"),), [RECORD], ("history", "audit"), "rename the trigger history"),
    (Kind.FUNCTION_MISSING, (HISTORY,), [], ("a function", "nothing"), "create the function"),
    (
        Kind.FUNCTION_DEFINITION,
        (HISTORY,),
        [replace(RECORD, definition=")")],
        (f"the declared definition ({RECORD.digest})", f"another one ({replace(RECORD, definition=')').digest})"),
        "replace the function",
    ),
    (
        Kind.FUNCTION_OWNER,
        (HISTORY,),
        [replace(RECORD, owner="intern")],
        ("the owner clinic", "the owner intern"),
        "give the function the owner clinic",
    ),
    (
        Kind.FUNCTION_PUBLIC,
        (HISTORY,),
        [replace(RECORD, lends_privileges=True, is_public=True)],
        ("no EXECUTE for PUBLIC", "EXECUTE for PUBLIC"),
        "let only the function's owner create triggers that call it",
    ),
]


def compared(*actual: Table, declared: Table = RECORDED, functions: list[Function] | None = None):
    return compare(
        Schema("public", {"patient": PATIENT_TABLE, declared.name: declared}, functions={RECORD.key: RECORD}),
        Schema(
            "public",
            {each.name: each for each in (PATIENT_TABLE, *actual)},
            functions={each.key: each for each in ([RECORD] if functions is None else functions)},
        ),
    )


def items(*actual: Table, **options) -> tuple[Difference, ...]:
    return compared(*actual, **options).items


def plan(*actual: Table, **options) -> Plan:
    return make_plan(compared(*actual, **options), SERVER)


def recorded(**options: object) -> Table:
    return table(**{"triggers": (HISTORY,), "owner": "clinic", **options})  # type: ignore[arg-type]


def test_every_kind_is_tested_here():
    assert {kind for kind, *_ in CASES} | {Kind.FUNCTION_REJECTED} == KINDS


@pytest.mark.parametrize(("kind", "triggers", "functions", "texts", "reason"), CASES, ids=[str(c[0]) for c in CASES])
def test_each_kind(kind, triggers, functions, texts, reason):
    actual = recorded(triggers=triggers)
    (item,) = items(actual, functions=functions)
    assert (item.kind, item.declared_text, item.actual_text) == (kind, *texts)
    planned = plan(actual, functions=functions)
    assert ([step.reason for step in planned.steps], planned.refusals) == ([reason], ())


def test_what_is_as_declared_is_no_difference():
    assert items(recorded()) == ()


def test_a_trigger_of_the_name_comes_before_one_of_the_definition():
    """The other one stays, and is told."""
    differences = compared(recorded(triggers=(trigger("history", fires="AFTER DELETE"), trigger("audit"))))
    assert [item.kind for item in differences.items] == [Kind.TRIGGER_DEFINITION]
    assert [each.name for each in differences.undeclared] == ["audit"]


def test_a_trigger_under_another_name_may_be_disabled_as_well():
    kinds = [item.kind for item in items(recorded(triggers=(trigger("audit", mode=TriggerMode.DISABLED),)))]
    assert kinds == [Kind.TRIGGER_NAME, Kind.TRIGGER_MODE]


def test_a_backfill_knows_of_the_triggers_that_come_before_it():
    nullable = recorded(columns=(ID, replace(STATUS, not_null=False), PATIENT, NOTE), triggers=())
    (backfill, *_) = [step.backfill for step in plan(nullable).steps if step.backfill]
    assert [(fired.name, fired.mode) for fired in backfill.triggers] == [("history", TriggerMode.ALWAYS)]


@pytest.mark.parametrize(
    ("fires", "options"),
    [
        ("AFTER UPDATE OF note", {"update_columns": ("note",)}),
        ("AFTER DELETE OR INSERT OR TRUNCATE", {"update_columns": None}),
        ("AFTER UPDATE", {"mode": TriggerMode.DISABLED}),
    ],
)
def test_a_backfill_fires_no_trigger_of_other_columns_or_events_or_that_is_disabled(fires, options):
    declared = replace(RECORDED, triggers=(trigger("history", fires=fires, **options),))
    nullable = recorded(columns=(ID, replace(STATUS, not_null=False), PATIENT, NOTE), triggers=())
    assert {step.backfill.triggers for step in plan(nullable, declared=declared).steps if step.backfill} == {()}


def test_functions_come_before_triggers_and_these_before_backfills():
    nullable = replace(STATUS, not_null=False)
    planned = plan(recorded(triggers=(), columns=(ID, nullable, PATIENT, NOTE)), functions=[])
    assert [repair.phase for repair in planned.repairs] == [Phase.FUNCTIONS, Phase.TRIGGERS, Phase.NOT_NULL]


def test_a_trigger_that_names_a_missing_column_waits_for_it():
    declared = replace(RECORDED, triggers=(replace(HISTORY, columns=("note",)),))
    planned = plan(recorded(triggers=(), columns=(ID, STATUS, PATIENT)), declared=declared)
    assert [repair.phase for repair in planned.repairs] == [Phase.COLUMNS, Phase.TRIGGERS_OF_NEW_COLUMNS]


def test_a_new_table_has_its_triggers_from_the_first_row_on():
    (creation, *_) = plan().steps
    assert creation.statements[-2:] == (
        'CREATE TRIGGER "history" AFTER UPDATE ON "public"."visit" FOR EACH ROW EXECUTE FUNCTION "public"."record"()',
        'ALTER TABLE "public"."visit" ENABLE ALWAYS TRIGGER "history"',
    )


def test_a_table_waits_for_the_functions_of_its_triggers():
    planned = plan(functions=[replace(RECORD, result="integer", definition=") RETURNS integer …")])
    assert [(refusal.code, refusal.name) for refusal in planned.refusals] == [(RefusalCode.NAME_TAKEN, "record()")]
    assert "visit" in [each.label for each in planned.refusals[0].blocked]
    assert planned.repairs == ()


def test_a_table_doesnt_wait_for_a_function_that_only_does_something_else():
    others = replace(RECORD, definition=")", owner="intern", owned=False)
    planned = plan(functions=[others])
    assert [refusal.code for refusal in planned.refusals] == [RefusalCode.NOT_OWNER]
    assert [repair.phase for repair in planned.repairs] == [Phase.TABLES, Phase.FOREIGN_KEYS_AND_CHECKS]


def with_a_rejected_function(*actual: Table, functions: tuple[Function, ...] = ()) -> Plan:
    declared = Schema(
        "public",
        {"patient": PATIENT_TABLE, "visit": RECORDED},
        rejected_functions={RECORD.key: "PostgreSQL refuses to create it"},
    )
    tables = {each.name: each for each in (PATIENT_TABLE, *actual)}
    return make_plan(compare(declared, Schema("public", tables, functions={f.key: f for f in functions})), SERVER)


def test_what_calls_a_function_that_cant_be_created_waits_for_it():
    planned = with_a_rejected_function()
    (refusal,) = planned.refusals
    assert (refusal.code, refusal.name) == (RefusalCode.FUNCTION_REJECTED, "record()")
    assert "found nothing, and PostgreSQL refuses to create it." in refusal.reason
    assert "visit" in [each.label for each in refusal.blocked]
    assert planned.repairs == ()


def test_only_a_trigger_waits_for_it_where_its_table_exists():
    planned = with_a_rejected_function(recorded(triggers=(), indexes=()))
    assert [each.label for each in planned.refusals[0].blocked] == ["visit.history"]
    assert [step.reason for step in planned.steps] == ["build visit_status"]


def test_a_trigger_calls_the_function_that_is_there():
    planned = with_a_rejected_function(recorded(triggers=()), functions=(RECORD,))
    assert [refusal.blocked for refusal in planned.refusals] == [()]
    assert [step.reason for step in planned.steps] == ["create the trigger history"]


SUM = Function("sum", "integer", "integer", "a integer) …", "clinic", parameters=("integer a",), defaults=1)


@pytest.mark.parametrize(
    "found",
    [replace(SUM, definition="b integer) …", parameters=("integer b",)), replace(SUM, definition="", defaults=2)],
)
def test_a_function_that_cant_be_replaced_is_dropped_and_gets_back_what_was_its_own(found: Function):
    found = replace(found, definition=")", kept=("GRANT x",))
    planned = make_plan(
        compare(Schema("public", {}, functions={SUM.key: SUM}), Schema("public", {}, functions={found.key: found})),
        SERVER,
    )
    (step,) = planned.steps
    assert step.statements == (
        'DROP FUNCTION "public"."sum"(integer)',
        "SET LOCAL check_function_bodies = off",
        'CREATE OR REPLACE FUNCTION "public"."sum"(a integer) …',
        "GRANT x",
    )


def test_another_roles_function_is_refused():
    found = replace(RECORD, definition=")", owner="intern", owned=False)
    (refusal,) = plan(recorded(), functions=[found]).refusals
    assert refusal.code is RefusalCode.NOT_OWNER
    assert refusal.statements == ('ALTER FUNCTION "public"."record"() OWNER TO "clinic"',)


class TestAppendOnly:
    DECLARED = replace(RECORDED, append_only=True)

    def test_nulls_are_refused_and_not_filled(self):
        nullable = recorded(columns=(ID, replace(STATUS, not_null=False), PATIENT, NOTE))
        planned = plan(nullable, declared=self.DECLARED)
        assert [step.backfill for step in planned.steps if step.backfill] == []
        assert {step.violations.refusal.code for step in planned.steps if step.violations} == {RefusalCode.APPEND_ONLY}

    def test_one_that_has_to_be_created_again_is_noted(self):
        assert [note.code for note in plan(declared=self.DECLARED).notes] == [NoteCode.APPEND_ONLY_CREATED_AGAIN]
