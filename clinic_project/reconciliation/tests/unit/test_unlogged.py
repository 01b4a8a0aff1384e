"""The order in which UNLOGGED tables are made LOGGED: parents first, and together where they reference each other."""

from dataclasses import replace

from ...planning import refusals
from ...planning.repairs.unlogged import in_order
from ...schema.model import Table
from .schemas import TO_PATIENT


def tables(**references: list[str]) -> dict[str, Table]:
    keys = {
        name: [replace(TO_PATIENT, name=f"{name}_{t}", target=("public", t)) for t in targets]
        for name, targets in references.items()
    }
    return {name: Table("public", name, constraints=tuple(of_table), logged=False) for name, of_table in keys.items()}


def order(found: dict[str, Table]) -> list[str]:
    return [refusal.table for refusal in in_order([refusals.unlogged(table) for table in found.values()], found)]


def test_parents_come_first():
    assert order(tables(a=["b", "a"], b=["c"], c=[], d=["a"])) == ["c", "b", "a", "d"]


def test_logged_parents_do_not_matter():
    assert order(tables(a=["elsewhere"], b=["a"])) == ["a", "b"]


def test_a_cycle_is_settled_by_its_first():
    found = tables(child=["a"], a=["b"], b=["a", "parent"], parent=[])
    told = in_order([refusals.unlogged(table) for table in found.values()], found)
    assert [refusal.table for refusal in told] == ["parent", "a", "b", "child"]
    statements = told[1].statements[0].split(";\n")
    assert [text.count("SET LOGGED") for text in statements].count(1) == 2
    assert 'DROP CONSTRAINT "a_b"' in statements[0]
    assert told[2].statements == ('ALTER TABLE "public"."b" SET LOGGED',)
