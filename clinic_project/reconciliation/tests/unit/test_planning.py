"""What is planned for each kind of difference, from schemas written by hand."""

from dataclasses import replace

import pytest

from ...comparison.differences import Kind
from ...planning.plan import Lock, NoteCode, RefusalCode
from ...schema.model import HelperRole, Identity, Relation, RelationKind, helper_name
from .schemas import (
    BY_STATUS,
    HAS_STATUS,
    ID,
    NOTE,
    PATIENT,
    PATIENT_TABLE,
    PRIMARY_KEY,
    SERVER,
    STATUS,
    TO_PATIENT,
    index,
    plan,
    serial,
    table,
)
from .test_comparison import DIFFERENCES

#: What is planned for each of the differences in `test_comparison`: the reasons of its steps.
STEPS = {
    Kind.COLUMN_MISSING: ["add the column note"],
    Kind.COLUMN_TYPE: ["widen note from character varying(20)"],
    Kind.COLUMN_NULLABLE: [
        "set status to 'open'::text where it is NULL, in batches",
        "add a helper check that keeps new NULLs out of status",
        "set status to 'open'::text where it is NULL, in batches",
        "validate that status has no NULLs",
        "make status NOT NULL",
        "drop the helper check of status",
    ],
    Kind.COLUMN_NOT_NULL: ["let note be NULL"],
    Kind.COLUMN_NOT_NULL_UNVALIDATED: [
        "set status to 'open'::text where it is NULL, in batches",
        "validate that status has no NULLs",
    ],
    Kind.COLUMN_NOT_NULL_NO_INHERIT: [
        "set status to 'open'::text where it is NULL, in batches",
        "let tables that inherit status inherit its NOT NULL",
    ],
    Kind.COLUMN_NOT_NULL_NAME: ["rename given to visit_status_not_null"],
    Kind.COLUMN_DEFAULT: ["set the default 'open'::text of status"],
    Kind.KEY_WITHOUT_GENERATOR: ["let id generate its keys, after the highest"],
    Kind.KEY_ALWAYS_GENERATED: ["let inserts name a key for id"],
    Kind.SEQUENCE_NOT_OWNED: ["let id own public.visit_id_seq"],
    Kind.SEQUENCE_LIMIT: ["let public.visit_id_seq go as far as id does"],
    Kind.SEQUENCE_BEHIND: ["move public.visit_id_seq past the highest id"],
    Kind.INDEX_MISSING: ["build visit_status"],
    Kind.INDEX_NAME: ["rename ix_status to visit_status"],
    Kind.INDEX_INVALID: ["drop visit_status, which an interrupted build left INVALID", "build visit_status"],
    Kind.INDEX_DEFINITION: [
        "build visit_status beside the wrong index of that name",
        f"rename {helper_name(HelperRole.NEW, 'visit', 'visit_status')} to visit_status",
        "drop the wrong index that was visit_status",
    ],
    Kind.KEY_INDEX_INVALID: ["rebuild the index of visit_pkey, which was left INVALID"],
    Kind.CONSTRAINT_MISSING: [
        "add visit_has_status, NOT VALID",
        "validate visit_has_status for the rows that are there",
    ],
    Kind.CONSTRAINT_NAME: ["rename ck to visit_has_status"],
    Kind.CONSTRAINT_DEFINITION: [
        "add visit_has_status, NOT VALID",
        "validate visit_has_status for the rows that are there",
        "replace visit_has_status by visit_has_status",
    ],
    Kind.CONSTRAINT_UNVALIDATED: ["validate visit_has_status for the rows that are there"],
    Kind.CONSTRAINT_DEFERRABILITY: ["make visit_patient_fk DEFERRABLE INITIALLY DEFERRED"],
    Kind.LEFTOVER: ["drop visit_status_ccnew, which an interrupted build or swap left"],
}

_REPAIRED = [(kind, actual) for kind, actual, _ in DIFFERENCES if kind is not Kind.TABLE_UNLOGGED]


@pytest.mark.parametrize(("kind", "actual"), _REPAIRED, ids=lambda value: value if isinstance(value, Kind) else "")
def test_each_kind(kind, actual):
    planned = plan(actual)
    assert planned.refusals == ()
    assert [step.reason for step in planned.steps] == STEPS[kind]


@pytest.mark.parametrize(("kind", "actual"), _REPAIRED, ids=lambda value: value if isinstance(value, Kind) else "")
def test_no_step_keeps_writers_out_while_rows_are_read(kind, actual):
    for step in plan(actual).steps:
        assert step.online
        if step.scans:
            assert step.lock in (Lock.ROW_EXCLUSIVE, Lock.SHARE_UPDATE_EXCLUSIVE)


def test_what_is_as_declared_needs_no_step():
    assert list(plan(table()).steps) == []


# The order


def test_a_missing_table_is_made_at_once_and_its_foreign_keys_to_others_after_it():
    planned = plan()
    creation, foreign_key = planned.repairs
    assert [statement.split("(")[0].strip() for statement in creation.steps[0].statements] == [
        'CREATE TABLE "public"."visit"',
        'CREATE INDEX "visit_status" ON "public"."visit" USING btree',
    ]
    assert foreign_key.steps[0].sql == (
        'ALTER TABLE "public"."visit" ADD CONSTRAINT "visit_patient_fk" FOREIGN KEY (patient_id)'
        " REFERENCES public.patient(id) DEFERRABLE INITIALLY DEFERRED"
    )


def test_a_column_is_there_before_its_index_and_its_check():
    planned = plan(
        table(columns=(ID, PATIENT, NOTE), indexes=(), constraints=(PRIMARY_KEY, TO_PATIENT)),
    )
    assert [name for repair in planned.repairs for name in repair.names] == [
        "status",
        "visit_status",
        "visit_has_status",
    ]


def test_wrong_indexes_that_have_each_others_names_are_renamed_together():
    by_note = index("visit_note", "note")
    declared = table(indexes=(BY_STATUS, by_note))
    swapped = table(indexes=(replace(BY_STATUS, name="visit_note"), replace(by_note, name="visit_status")))
    (step,) = plan(swapped, declared=declared).steps
    assert len(step.statements) == 3  # one gets a temporary name
    assert step.transactional


def test_a_wrong_index_is_dropped_only_when_the_right_one_has_its_name():
    build, swap, drop = plan(table(indexes=(index("visit_status", "note"),))).steps
    assert build.sql.startswith('CREATE INDEX CONCURRENTLY "reconcile_new_')
    assert [statement.split(" RENAME TO ")[1][:15] for statement in swap.statements] == [
        '"reconcile_old_',
        '"visit_status"',
    ]
    assert drop.sql.startswith('DROP INDEX CONCURRENTLY IF EXISTS "public"."reconcile_old_')


# What a person has to decide


def refused(*actual, **options):
    """Return the code of the only refusal, and the labels of what it blocks."""
    (refusal,) = plan(*actual, **options).refusals
    return refusal.code, [reference.label for reference in refusal.blocked]


def test_a_type_that_may_lose_something_blocks_what_requires_the_column():
    of_integers = replace(STATUS, type="integer", default=None)
    actual = table(columns=(ID, of_integers, PATIENT, NOTE), indexes=(), constraints=(PRIMARY_KEY, TO_PATIENT))
    assert refused(actual) == (RefusalCode.COLUMN_TYPE, ["visit.visit_has_status", "visit.visit_status"])


def test_a_view_in_the_place_of_a_table():
    code, blocked = refused(owners={"visit": Relation("public", "visit", RelationKind.VIEW)})
    assert (code, blocked) == (RefusalCode.NOT_A_TABLE, [])


def test_an_unlogged_table():
    assert refused(table(logged=False)) == (RefusalCode.UNLOGGED, [])


def test_a_partitioned_table_that_differs():
    assert refused(table(kind=RelationKind.PARTITIONED_TABLE, indexes=())) == (RefusalCode.PARTITIONED, [])


def test_rows_hidden_from_the_role():
    assert refused(table(rows_hidden=True, indexes=())) == (RefusalCode.ROW_LEVEL_SECURITY, [])


def test_another_primary_key():
    other = replace(PRIMARY_KEY, definition="PRIMARY KEY (status)", columns=("status",))
    assert refused(table(constraints=(other, HAS_STATUS, TO_PATIENT)))[0] is RefusalCode.OTHER_KEY


def test_a_name_that_something_else_has():
    owner = {"visit_status": Relation("public", "visit_status", RelationKind.SEQUENCE)}
    assert refused(table(indexes=()), owners=owner) == (RefusalCode.NAME_TAKEN, [])


def test_a_wrong_index_that_is_the_replica_identity():
    wrong = replace(index("visit_status", "id"), unique=True, replica_identity=True)
    assert refused(table(indexes=(wrong,)))[0] is RefusalCode.REPLICA_IDENTITY


def test_a_parent_that_nobody_makes_is_noted_and_blocks():
    planned = plan(table(constraints=(PRIMARY_KEY, HAS_STATUS)), patients=())
    assert planned.refusals == ()
    (note,) = [note for note in planned.notes if note.code is NoteCode.MISSING_PARENT]
    assert [reference.label for reference in note.blocked] == ["visit.visit_patient_fk"]


# Privileges: nothing is begun without them


@pytest.mark.parametrize(
    ("actual", "server", "code"),
    [
        (table(owned=False, owner="other", indexes=()), SERVER, RefusalCode.NOT_OWNER),
        (table(indexes=()), replace(SERVER, may_create=False), RefusalCode.MAY_NOT_CREATE),
    ],
    ids=lambda value: str(value) if isinstance(value, RefusalCode) else "",
)
def test_a_missing_privilege_stops_everything(actual, server, code):
    planned = plan(actual, server=server)
    assert [refusal.code for refusal in planned.refusals] == [code]
    assert planned.refusals[0].fatal
    assert planned.repairs == ()


def test_a_parent_that_the_role_may_not_reference():
    parent = replace(PATIENT_TABLE, may_reference=False)
    planned = plan(table(constraints=(PRIMARY_KEY, HAS_STATUS)), patients=(parent,))
    assert [refusal.code for refusal in planned.refusals] == [RefusalCode.MAY_NOT_REFERENCE]


# Rows that break what is declared


def test_rows_are_worded_by_their_number():
    (add, validate) = plan(table(constraints=(PRIMARY_KEY, HAS_STATUS))).steps
    assert add.violations is None
    query = validate.violations
    assert query.refused(1, "id 7 -> 9").reason.startswith("1 row points by patient_id to rows of patient that")
    assert query.refused(2, "id 7 -> 9, 8 -> 9").reason.startswith("2 rows point by patient_id")


def test_a_frozen_default_counts_the_rows_that_carry_it():
    frozen = replace(
        NOTE,
        name="made_at",
        type="timestamp with time zone",
        default="'2026-01-01 00:00:00+00'::timestamp with time zone",
    )
    live = replace(frozen, default="statement_timestamp()")
    planned = plan(
        table(columns=(ID, STATUS, PATIENT, NOTE, frozen)), declared=table(columns=(ID, STATUS, PATIENT, NOTE, live))
    )
    (repair,) = planned.repairs
    assert repair.post_check.noted(1).text.startswith("1 row carries the instant to which the default was frozen")
    assert repair.post_check.noted(3).text.startswith("3 rows carry the instant")


def test_columns_that_are_backfilled_know_each_other():
    """Else a row could not be written whose other column has to have a value."""
    nullable = table(columns=(ID, replace(STATUS, not_null=False), replace(PATIENT, not_null=False), NOTE))
    declared = table(columns=(ID, STATUS, replace(PATIENT, default="0"), NOTE))
    statements = [step.sql for step in plan(nullable, declared=declared).steps if step.backfill]
    assert all('"patient_id"' in sql and '"status"' in sql for sql in statements)
    assert len(statements) == 4  # two, and their retries


def test_a_serial_is_advanced_forward_only():
    behind = table(columns=(serial(ID, next_value=4), STATUS, PATIENT, NOTE), next_keys={"id": 10})
    (step,) = plan(behind).steps
    assert step.statements[0] == 'LOCK TABLE "public"."visit" IN SHARE ROW EXCLUSIVE MODE'
    assert "HAVING max(" in step.statements[1]


def test_a_default_that_isnt_a_sequence_is_replaced_with_a_note():
    given = replace(ID, identity=Identity.NONE, default="next_id()")
    planned = plan(table(columns=(given, STATUS, PATIENT, NOTE)))
    assert [note.code for note in planned.notes] == [NoteCode.DEFAULT_REPLACED]
