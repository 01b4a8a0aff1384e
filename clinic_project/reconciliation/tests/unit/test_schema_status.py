"""The status of each object, from schemas written by hand, without a database."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from clinic_project.reconciliation.admin.schema_status import (
    ObjectStatus,
    Status,
    TableStatus,
    functions_status,
    schema_status,
)
from clinic_project.reconciliation.comparison import compare
from clinic_project.reconciliation.pipeline import Inspection
from clinic_project.reconciliation.planning.planner import make_plan
from clinic_project.reconciliation.schema.model import (
    Column,
    Constraint,
    ConstraintKind,
    Function,
    Identity,
    Index,
    Relation,
    RelationKind,
    Schema,
    Sequence,
    Server,
    Table,
)

from .schemas import trigger

SERVER = Server("farm", "18.0", 180000, "farmer", "public", "public", False, False, True, True)


def index(name: str, body: str) -> Index:
    return Index(name, unique=False, body=body, definition=body, columns=("name",))


ID = Column("id", "integer", not_null=True, identity=Identity.BY_DEFAULT)
NAME = Column("name", "text", not_null=True)
BY_NAME = index("cow_by_name", "USING btree (name)")
POSITIVE = Constraint("cow_positive", ConstraintKind.CHECK, "CHECK ((id > 0))", ("id",))
COW = Table("public", "cow", {"id": ID, "name": NAME}, (BY_NAME,), (POSITIVE,))


def inspected(
    *tables: Table, name_owners: Mapping[str, Relation] | None = None, ignored: Collection[str] = ()
) -> TableStatus:
    """Return the status of the table of cows, where a database has `tables`."""
    declared = Schema("public", {"cow": COW})
    actual = Schema("public", {table.name: table for table in tables}, name_owners or {})
    differences = compare(declared, actual).ignoring(ignored)
    (table,) = schema_status(Inspection(SERVER, declared, differences, make_plan(differences, SERVER)))
    return table


def objects(table: TableStatus, title: str) -> list[ObjectStatus]:
    return [item for part in table.parts if part.title == title for item in part.objects]


def test_what_is_as_declared():
    table = inspected(COW)
    assert table.status is Status.AS_DECLARED
    assert table.counts == {Status.AS_DECLARED: 4}
    assert [part.title for part in table.parts] == ["Columns", "Indexes", "Constraints"]
    assert objects(table, "Columns")[1].lines == (("text NOT NULL", "text NOT NULL"),)


def test_of_a_missing_table_all_parts_are_missing():
    table = inspected()
    assert table.status is Status.MISSING
    assert table.counts == {Status.MISSING: 5}
    assert objects(table, "Table")[0].lines == (("a table", "nothing"),)


def test_a_view_of_a_tables_name_needs_a_persons_decision():
    table = inspected(name_owners={"cow": Relation("public", "cow", RelationKind.VIEW)})
    (item,) = objects(table, "Table")
    assert (item.status, item.lines, item.refused) == (Status.DIFFERENT, (("a table", "a view"),), True)
    assert {item.status for item in objects(table, "Columns")} == {Status.MISSING}


def test_an_unlogged_table_has_parts_that_are_as_declared():
    table = inspected(replace(COW, logged=False))
    assert table.status is Status.DIFFERENT
    assert table.counts == {Status.DIFFERENT: 1, Status.AS_DECLARED: 4}


def test_all_differences_of_a_column_are_shown_together():
    nullable = replace(NAME, not_null=False, default="'Berta'::text")
    (_, name) = objects(inspected(replace(COW, columns={"id": ID, "name": nullable})), "Columns")
    assert name.lines == (("no default", "DEFAULT 'Berta'::text"), ("NOT NULL", "nullable"))


def test_what_is_refused_for_the_whole_table_is_refused_for_its_parts():
    partitioned = replace(COW, kind=RelationKind.PARTITIONED_TABLE, indexes=())
    (by_name,) = objects(inspected(partitioned), "Indexes")
    assert (by_name.status, by_name.refused) == (Status.MISSING, True)


def test_what_a_refusal_blocks_is_not_refused_itself():
    numbered = replace(COW, columns={"id": ID, "name": replace(NAME, type="integer")}, indexes=())
    table = inspected(numbered)
    (_, name), (by_name,) = objects(table, "Columns"), objects(table, "Indexes")
    assert (name.refused, name.blocked) == (True, False)
    assert (by_name.status, by_name.refused, by_name.blocked) == (Status.MISSING, False, True)


def test_a_serial_is_as_good_as_an_identity_and_is_named():
    serial = replace(
        ID, identity=Identity.NONE, sequence=Sequence("public.cow_id_seq", True, True, 1, 2147483647, True)
    )
    (key, _) = objects(inspected(replace(COW, columns={"id": serial, "name": NAME})), "Columns")
    assert key.status is Status.AS_DECLARED
    assert "with values from public.cow_id_seq" in key.remark


def test_an_index_that_is_being_built_is_not_different():
    (by_name,) = objects(inspected(replace(COW, indexes=(replace(BY_NAME, valid=False, building=True),))), "Indexes")
    assert by_name.status is Status.BUILDING
    assert "another session is building it" in by_name.lines[0][1]


def test_an_index_of_another_name_is_shown_under_its_declared_name():
    (by_name,) = objects(inspected(replace(COW, indexes=(replace(BY_NAME, name="names"),))), "Indexes")
    assert (by_name.name, by_name.status) == ("cow_by_name", Status.DIFFERENT)
    assert by_name.lines == (("USING btree (name)", "named names"),)


def test_what_interrupted_repairs_left():
    built = index("reconcile_new_0123456789abcdef", "USING btree (id)")
    check = Constraint(
        "reconcile_check_0123456789abcdef", ConstraintKind.CHECK, "CHECK ((name IS NOT NULL))", ("name",)
    )
    table = inspected(replace(COW, indexes=(BY_NAME, built), constraints=(POSITIVE, check)))
    assert [item.status for item in objects(table, "Indexes")] == [Status.AS_DECLARED, Status.LEFTOVER]
    assert [item.status for item in objects(table, "Constraints")] == [Status.AS_DECLARED, Status.LEFTOVER]


def test_what_no_model_declares_is_shown_but_is_no_difference():
    horns = Column("horns", "integer", not_null=True)
    by_id = index("by_id", "USING hash (id)")
    short = Constraint("short", ConstraintKind.CHECK, "CHECK ((length(name) < 9))", ("name",))
    columns = {**COW.columns, "horns": horns}
    table = inspected(
        replace(
            COW, columns=columns, indexes=(BY_NAME, by_id), constraints=(POSITIVE, short), triggers=(trigger("milk"),)
        )
    )
    assert table.status is Status.AS_DECLARED
    last = {part.title: part.objects[-1] for part in table.parts}
    assert {item.status for item in last.values()} == {Status.UNDECLARED}
    assert last["Columns"].lines == (("nothing", "integer NOT NULL"),)
    assert "every INSERT that doesn't name it fails" in last["Columns"].remark
    assert last["Indexes"].lines == (("nothing", "USING hash (id)"),)
    assert last["Constraints"].lines == (("nothing", "CHECK ((length(name) < 9))"),)
    assert last["Triggers"].name == "milk"


def test_what_is_ignored_is_shown_as_such_and_the_table_is_as_declared():
    short = replace(NAME, not_null=False)
    actual = replace(COW, columns={"id": ID, "name": short}, indexes=(), triggers=(trigger("milk"),))
    table = inspected(actual, ignored={"cow.name", "cow.cow_by_name", "cow.milk"})
    assert table.status is Status.AS_DECLARED
    assert table.counts == {Status.AS_DECLARED: 2, Status.IGNORED: 3}
    (_, name), (by_name,) = objects(table, "Columns"), objects(table, "Indexes")
    assert name.lines == (("NOT NULL", "nullable"),)
    assert by_name.lines == (("USING btree (name)", "nothing"),)


def test_a_missing_table_that_is_ignored():
    table = inspected(ignored={"cow"})
    assert table.status is Status.IGNORED
    assert table.counts == {Status.IGNORED: 5}


def test_a_declared_trigger_and_its_function():
    recorded = replace(COW, triggers=(trigger("history"),))
    functions = {"record()": Function("record", "", "trigger", ") RETURNS trigger")}
    declared, actual = Schema("public", {"cow": recorded}, functions=functions), Schema("public", {"cow": COW})
    differences = compare(declared, actual)
    inspection = Inspection(SERVER, declared, differences, make_plan(differences, SERVER))
    (shown,) = schema_status(inspection)
    assert {part.title: [(o.name, o.status) for o in part.objects] for part in shown.parts}["Triggers"] == [
        ("history", Status.MISSING)
    ]
    assert [(o.name, o.status) for o in functions_status(inspection).objects] == [("record()", Status.MISSING)]
