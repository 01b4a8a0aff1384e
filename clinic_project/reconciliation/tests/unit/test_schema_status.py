"""The marks on what was found, from schemas written by hand: no database is asked."""

from collections.abc import Mapping
from dataclasses import replace

from clinic_project.reconciliation.admin.schema_status import Mark, Marked, MarkedTable, mark_tables
from clinic_project.reconciliation.comparison import compare
from clinic_project.reconciliation.pipeline import Inspection
from clinic_project.reconciliation.planning.planner import make_plan
from clinic_project.reconciliation.schema.introspection import Server
from clinic_project.reconciliation.schema.model import Column, Constraint, Index, Relation, Schema, Sequence, Table

SERVER = Server("farm", "18.0", 180000, "farmer", "public", "public", False, False, True, True)


def index(name: str, body: str) -> Index:
    return Index(name, unique=False, body=body, definition=body, columns=("name",))


ID = Column("id", "integer", not_null=True, identity="d")
NAME = Column("name", "text", not_null=True)
BY_NAME = index("cow_by_name", "USING btree (name)")
POSITIVE = Constraint("cow_positive", "c", "CHECK ((id > 0))", ("id",))
COW = Table("public", "cow", {"id": ID, "name": NAME}, (BY_NAME,), (POSITIVE,))


def look_at(*found: Table, holders: Mapping[str, Relation] | None = None) -> MarkedTable:
    """Return the marks of a database that ought to have cows."""
    expected = Schema("public", {"cow": COW})
    actual = Schema("public", {table.name: table for table in found}, holders or {})
    differences = compare(expected, actual)
    (marked,) = mark_tables(Inspection(SERVER, expected, differences, make_plan(differences, SERVER)))
    return marked


def objects(table: MarkedTable, title: str) -> list[Marked]:
    return [marked for part in table.parts if part.title == title for marked in part.objects]


def test_what_is_as_declared():
    table = look_at(COW)
    assert table.mark is Mark.AS_DECLARED
    assert table.counts == {Mark.AS_DECLARED: 4}
    assert [part.title for part in table.parts] == ["Columns", "Indexes", "Constraints"]
    assert objects(table, "Columns")[1].lines == (("text NOT NULL", "text NOT NULL"),)


def test_a_missing_table_lacks_all_its_parts():
    table = look_at()
    assert table.mark is Mark.MISSING
    assert table.counts == {Mark.MISSING: 5}
    assert objects(table, "Table")[0].lines == (("a table", "nothing"),)


def test_a_view_in_the_place_of_a_table_is_for_a_person_to_decide():
    table = look_at(holders={"cow": Relation("public", "cow", "v")})
    (itself,) = objects(table, "Table")
    assert (itself.mark, itself.lines, itself.refused) == (Mark.DIFFERENT, (("a table", "a view"),), True)
    assert {marked.mark for marked in objects(table, "Columns")} == {Mark.MISSING}


def test_an_unlogged_table_has_parts_that_are_as_declared():
    table = look_at(replace(COW, logged=False))
    assert table.mark is Mark.DIFFERENT
    assert table.counts == {Mark.DIFFERENT: 1, Mark.AS_DECLARED: 4}


def test_all_that_is_wrong_with_a_column_stands_together():
    nullable = replace(NAME, not_null=False, default="'Berta'::text")
    (_, name) = objects(look_at(replace(COW, columns={"id": ID, "name": nullable})), "Columns")
    assert name.lines == (("no default", "DEFAULT 'Berta'::text"), ("NOT NULL", "nullable"))


def test_what_is_refused_for_the_whole_table_is_refused_for_its_parts():
    partitioned = replace(COW, kind="p", indexes=())
    (by_name,) = objects(look_at(partitioned), "Indexes")
    assert (by_name.mark, by_name.refused) == (Mark.MISSING, True)


def test_what_waits_for_a_refusal_is_not_refused_itself():
    numbered = replace(COW, columns={"id": ID, "name": replace(NAME, type="integer")}, indexes=())
    table = look_at(numbered)
    (_, name), (by_name,) = objects(table, "Columns"), objects(table, "Indexes")
    assert (name.refused, name.waiting) == (True, False)
    assert (by_name.mark, by_name.refused, by_name.waiting) == (Mark.MISSING, False, True)


def test_a_serial_is_as_good_as_an_identity_and_is_named():
    serial = replace(ID, identity="", sequence=Sequence("public.cow_id_seq", True, True, 1, 2147483647, True))
    (key, _) = objects(look_at(replace(COW, columns={"id": serial, "name": NAME})), "Columns")
    assert key.mark is Mark.AS_DECLARED
    assert "fed by public.cow_id_seq" in key.remark


def test_an_index_that_is_being_built_is_not_called_broken():
    (by_name,) = objects(look_at(replace(COW, indexes=(replace(BY_NAME, valid=False, building=True),))), "Indexes")
    assert by_name.mark is Mark.BUILDING
    assert "another session is building it" in by_name.lines[0][1]


def test_an_index_of_another_name_is_expected_under_its_own():
    (by_name,) = objects(look_at(replace(COW, indexes=(replace(BY_NAME, name="names"),))), "Indexes")
    assert (by_name.name, by_name.mark) == ("cow_by_name", Mark.DIFFERENT)
    assert by_name.lines == (("USING btree (name)", "named names"),)


def test_what_interrupted_repairs_left():
    built = index("reconcile_new_0123456789abcdef", "USING btree (id)")
    check = Constraint("reconcile_check_0123456789abcdef", "c", "CHECK ((name IS NOT NULL))", ("name",))
    table = look_at(replace(COW, indexes=(BY_NAME, built), constraints=(POSITIVE, check)))
    assert [marked.mark for marked in objects(table, "Indexes")] == [Mark.AS_DECLARED, Mark.LEFTOVER]
    assert [marked.mark for marked in objects(table, "Constraints")] == [Mark.AS_DECLARED, Mark.LEFTOVER]


def test_what_nobody_declares_is_marked_but_makes_no_difference():
    horns = Column("horns", "integer", not_null=True)
    by_id = index("by_id", "USING hash (id)")
    short = Constraint("short", "c", "CHECK ((length(name) < 9))", ("name",))
    columns = {**COW.columns, "horns": horns}
    table = look_at(
        replace(COW, columns=columns, indexes=(BY_NAME, by_id), constraints=(POSITIVE, short), triggers=("milk",))
    )
    assert table.mark is Mark.AS_DECLARED
    last = {part.title: part.objects[-1] for part in table.parts}
    assert {marked.mark for marked in last.values()} == {Mark.UNDECLARED}
    assert last["Columns"].lines == (("nothing", "integer NOT NULL"),)
    assert "will reject every insert" in last["Columns"].remark
    assert last["Indexes"].lines == (("nothing", "USING hash (id)"),)
    assert last["Constraints"].lines == (("nothing", "CHECK ((length(name) < 9))"),)
    assert last["Triggers"].name == "milk"
