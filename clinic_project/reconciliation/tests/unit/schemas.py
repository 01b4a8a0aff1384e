"""Schemas written by hand, for tests without a database: a table of visits, with a foreign key to patients."""

from collections.abc import Mapping
from dataclasses import replace

from ...comparison import compare
from ...comparison.differences import Difference, Differences
from ...planning.plan import Plan
from ...planning.planner import make_plan
from ...schema.model import (
    Column,
    Constraint,
    ConstraintKind,
    Identity,
    Index,
    Relation,
    RelationKind,
    Schema,
    Sequence,
    Server,
    Table,
    Trigger,
    TriggerMode,
)

SERVER = Server("clinic", "18.0", 180000, "clinic", "public", "public", False, False, True, True)


def index(name: str, key: str, **options: object) -> Index:
    body = f"USING btree ({key})"
    return Index(name, unique=False, body=body, definition=body, columns=(key,), **options)  # type: ignore[arg-type]


def unique_index(name: str, key: str, **options: object) -> Index:
    return replace(index(name, key, **options), unique=True, keys=(key,))


def key(name: str, kind: ConstraintKind, column: str) -> Constraint:
    words = "PRIMARY KEY" if kind is ConstraintKind.PRIMARY_KEY else "UNIQUE"
    return Constraint(name, kind, f"{words} ({column})", (column,), index=unique_index(name, column, constraint=name))


def trigger(name: str, **options: object) -> Trigger:
    """Return a trigger that records updates."""
    call = '"public"."record"()'
    made = Trigger(name, "AFTER UPDATE", "FOR EACH ROW", call, "record()", TriggerMode.ALWAYS, update_columns=())
    return replace(made, **options)  # type: ignore[arg-type]


ID = Column("id", "integer", not_null=True, not_null_name="visit_id_not_null", identity=Identity.BY_DEFAULT)
STATUS = Column("status", "text", not_null=True, not_null_name="visit_status_not_null", default="'open'::text")
PATIENT = Column("patient_id", "integer", not_null=True)
NOTE = Column("note", "character varying(80)", not_null=False, comment="of the nurse's")

PRIMARY_KEY = key("visit_pkey", ConstraintKind.PRIMARY_KEY, "id")
BY_STATUS = index("visit_status", "status")
HAS_STATUS = Constraint("visit_has_status", ConstraintKind.CHECK, "CHECK ((status <> ''::text))", ("status",))
TO_PATIENT = Constraint(
    "visit_patient_fk",
    ConstraintKind.FOREIGN_KEY,
    "FOREIGN KEY (patient_id) REFERENCES public.patient(id)",
    ("patient_id",),
    deferrable=True,
    deferred=True,
    target=("public", "patient"),
    target_columns=("id",),
)

PATIENT_KEY = key("patient_pkey", ConstraintKind.PRIMARY_KEY, "id")
PATIENT_TABLE = Table(
    "public",
    "patient",
    {"id": replace(ID, not_null_name="patient_id_not_null")},
    (unique_index("patient_pkey", "id", constraint="patient_pkey"),),
    (PATIENT_KEY,),
)


def table(
    *,
    columns: tuple[Column, ...] = (ID, STATUS, PATIENT, NOTE),
    indexes: tuple[Index, ...] = (BY_STATUS,),
    constraints: tuple[Constraint, ...] = (PRIMARY_KEY, HAS_STATUS, TO_PATIENT),
    **options: object,
) -> Table:
    """Return the table of visits; what isn't passed is as declared. The indexes of constraints are added."""
    key_indexes = tuple(constraint.index for constraint in constraints if constraint.index is not None)
    by_name = {column.name: column for column in columns}
    options = {"comment": "each visit", **options}
    return Table("public", "visit", by_name, (*indexes, *key_indexes), constraints, **options)  # type: ignore[arg-type]


DECLARED = table()


def differences(
    *actual: Table,
    declared: Table = DECLARED,
    owners: Mapping[str, Relation] | None = None,
    patients: tuple[Table, ...] = (PATIENT_TABLE,),
) -> Differences:
    """Compare `actual` with the declared table. `patients` are the parent tables, which are as declared."""
    tables = {each.name: each for each in (*patients, *actual)}
    names = {
        index.name: Relation("public", index.name, RelationKind.INDEX, each.name)
        for each in tables.values()
        for index in each.indexes
    }
    return compare(
        Schema("public", {**{each.name: PATIENT_TABLE for each in patients}, declared.name: declared}),
        Schema("public", tables, {**names, **(owners or {})}),
    )


def only_difference(*actual: Table, **options: object) -> Difference:
    (item,) = differences(*actual, **options).items  # type: ignore[arg-type]
    return item


def plan(*actual: Table, server: Server = SERVER, **options: object) -> Plan:
    return make_plan(differences(*actual, **options), server)  # type: ignore[arg-type]


def serial(column: Column, next_value: int | None = None, **options: object) -> Column:
    """Return the column as a serial instead of an identity."""
    attributes = {"owned": True, "ownable": True, "increment": 1, "max_value": 2**31 - 1, "readable": True, **options}
    sequence = Sequence("public.visit_id_seq", next_value=next_value, **attributes)  # type: ignore[arg-type]
    default = "nextval('public.visit_id_seq'::regclass)"
    return replace(column, identity=Identity.NONE, default=default, sequence=sequence)
