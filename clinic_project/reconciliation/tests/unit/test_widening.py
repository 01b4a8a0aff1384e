"""In which order tables are widened, and what is refused, without a database."""

from dataclasses import replace

import pytest

from ...planning.widening import plan_widening
from ...schema.model import Column, Constraint, ConstraintKind, Sequence, Table, Widening
from .schemas import SERVER

ID = Column("id", "integer", not_null=True)
KEY = Constraint("key", ConstraintKind.PRIMARY_KEY, "PRIMARY KEY (id)", ("id",))


def widening(name: str, *references: str, constraint: Constraint = KEY, column: Column = ID) -> Widening:
    """Return a table whose id is widened; it is a foreign key to each of these tables as well."""
    keys = (
        Constraint(
            f"to_{target}",
            ConstraintKind.FOREIGN_KEY,
            f"FOREIGN KEY (id) REFERENCES public.{target}(id)",
            ("id",),
            target=("public", target),
            target_columns=("id",),
        )
        for target in references
    )
    return Widening(Table("public", name, {"id": column}, constraints=(constraint, *keys)), ("id",))


def order(*widenings: Widening) -> list[str]:
    return list(dict.fromkeys(repair.table for repair in plan_widening(widenings, SERVER, "").repairs))


def test_a_table_comes_after_those_that_reference_it():
    assert order(widening("a"), widening("b", "a"), widening("c", "b")) == ["c", "b", "a"]
    assert order(widening("a", "b", "c"), widening("b", "c"), widening("c")) == ["a", "b", "c"]


def test_tables_that_reference_each_other_come_by_name():
    assert order(widening("b", "a"), widening("a", "b", "a")) == ["a", "b"]


def test_one_that_was_begun_comes_first():
    begun = widening("a")
    wide = plan_widening([begun], SERVER, "").repairs[0].steps[0].statements[0].split('"')[-2]
    table = replace(begun.table, columns={"id": ID, wide: Column(wide, "bigint", not_null=False)})
    assert order(replace(begun, table=table), widening("b", "a")) == ["a", "b"]


@pytest.mark.parametrize(
    "definition",
    ["PRIMARY KEY (id, valid WITHOUT OVERLAPS)", "UNIQUE (id, valid WITHOUT OVERLAPS)"],
)
def test_a_key_over_periods_is_refused(definition: str):
    (refusal,) = plan_widening([widening("a", constraint=replace(KEY, definition=definition))], SERVER, "").refusals
    assert definition in refusal.reason


def test_a_foreign_key_over_periods_is_refused():
    key = replace(
        KEY,
        kind=ConstraintKind.FOREIGN_KEY,
        definition="FOREIGN KEY (id, PERIOD valid) REFERENCES public.b(id, PERIOD valid)",
    )
    assert plan_widening([widening("a", constraint=key)], SERVER, "").refusals


def test_a_sequence_of_another_owner_is_refused():
    sequence = Sequence("public.numbers", True, True, 1, 9, readable=True, alterable=False)
    (refusal,) = plan_widening([widening("a", column=replace(ID, sequence=sequence))], SERVER, "").refusals
    assert "public.numbers, which has another owner" in refusal.reason


def test_a_role_that_may_not_write_is_refused():
    one = widening("a")
    lacking = replace(one, table=replace(one.table, missing_privileges=("UPDATE",)))
    assert [refusal.code for refusal in plan_widening([lacking], SERVER, "").refusals] == ["may-not-write"]
