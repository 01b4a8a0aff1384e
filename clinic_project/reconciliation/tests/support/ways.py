"""The ways in which the catalogue of refusals tells what to do: an example of each, made without a database.

Two refusals are told in the same way if they have in common the code, the catalogue's own words in the remedies, and the
first words of the statements. Names, and what else the SQL is, differ from case to case.
"""

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...comparison.differences import (
    ColumnDifference,
    FunctionDifference,
    Kind,
    MissingColumn,
    MissingIndex,
    RejectedFunction,
    RejectedTable,
    WrongConstraint,
    WrongIndex,
)
from ...planning import refusals
from ...planning.plan import Backfill, Lock, Refusal, Step
from ...planning.refusals import KeyRemedy, TypeRemedy
from ...planning.repairs.renames import rename_index
from ...planning.repairs.violations import misfits
from ...schema import model
from ...schema.model import Column, ConstraintKind, Function, Relation, RelationKind, TableElsewhere, UpdateTrigger
from ..unit.schemas import BY_STATUS, DECLARED, HAS_STATUS, ID, PRIMARY_KEY, SERVER, STATUS, TO_PATIENT, key

_TEXTS = ("visit", "name", "expected", "found")
_INDEX = MissingIndex("visit", Kind.INDEX_MISSING, "visit_status", "USING btree (status)", "nothing", BY_STATUS, None)
_WRONG_INDEX = WrongIndex("visit", Kind.INDEX_DEFINITION, "visit_status", "this", "that", BY_STATUS, BY_STATUS)
_UNDER_CONSTRAINT = replace(_WRONG_INDEX, conflicting=replace(BY_STATUS, constraint="theirs"))
_TYPE = ColumnDifference("visit", Kind.COLUMN_TYPE, "status", "text", "integer", STATUS, STATUS)
_OTHER_KEY = key("other", ConstraintKind.PRIMARY_KEY, "status")
_KEY = WrongConstraint(
    "visit", Kind.CONSTRAINT_DEFINITION, "visit_pkey", "this", "that", PRIMARY_KEY, _OTHER_KEY, None, None
)
_ROWS = misfits(DECLARED, "false")

_BEFORE, _AFTER = UpdateTrigger("stamp", '"visit"', before=True), UpdateTrigger("history", '"visit"', before=False)
_RULE = UpdateTrigger("kept", '"visit"', before=True, rule=True)
_BACKFILL = Backfill('"visit"', '"status"', "'open'", triggers=(_BEFORE, _AFTER, _RULE))
_STEP = Step((), "visit", Lock.ROW_EXCLUSIVE, "set status to 'open' where it is NULL", backfill=_BACKFILL)

_RECORD = Function("record", "", "trigger", ") RETURNS trigger …", "other", owned=False)
_FUNCTION = FunctionDifference(
    "record()", Kind.FUNCTION_DEFINITION, "record()", "the declared definition", "another one", _RECORD, _RECORD, None
)

_SEQUENCE = model.Sequence("public.numbers", True, True, 1, 9, readable=False, schema="public")
_ELSEWHERE = replace(SERVER, schema="oracle", holds_project=False)
_NOWHERE = replace(SERVER, schema=None, search_path="gone")
_FIXED = replace(_NOWHERE, path_is_fixed=True)


def _missing(column: Column, *candidates: str, rivals: tuple[str, ...] = ()) -> MissingColumn:
    texts = column.definition, "nothing"
    return MissingColumn("visit", Kind.COLUMN_MISSING, column.name, *texts, column, candidates, rivals)


def _type(
    statement: str | None = None, *, possible: bool = True, online: str = "", **options: tuple[str, ...]
) -> Refusal:
    recreated, in_the_way = options.get("recreated", ()), options.get("in_the_way", ())
    remedy = TypeRemedy(statement, possible, recreated, in_the_way, "", None, online)
    return refusals.column_type(DECLARED, _TYPE, "it takes long.", remedy)


def _key(statement: str | None = None, **options: tuple[str, ...]) -> Refusal:
    remedy = KeyRemedy(statement, options.get("in_the_way", ()), options.get("missing", ()), _ROWS)
    return refusals.other_primary_key(DECLARED, _KEY, _OTHER_KEY, remedy)


def _named_like(kind: RelationKind, table: str | None = None) -> Refusal:
    return refusals.index_name_taken("visit", "visit_status", Relation("public", "visit_status", kind, table))


ALTER, BLOCK, RECORD = "ALTER TABLE x", "DO $statements$ x", ("INSERT INTO x",)

EXAMPLES = {
    "a table that PostgreSQL refuses to create": refusals.table_rejected(
        RejectedTable(
            "visit", Kind.TABLE_REJECTED, "visit", "a table", "nothing: type shape does not exist", exists=False
        )
    ),
    "a view of the table's name": refusals.not_a_table("visit", Relation("public", "visit", RelationKind.VIEW)),
    "filled elsewhere": refusals.found_elsewhere("visit", "public", TableElsewhere("old", "visit", ("id",))),
    "moved to another schema": refusals.moved_table("patient", "public", "old", [(DECLARED, TO_PATIENT)]),
    "a renamed table": refusals.renamed_table(
        "visit", "public", "visits", "has its index", f"{rename_index('public', 'visit_pkey', 'other')} renames that"
    ),
    "unlogged": refusals.unlogged(DECLARED),
    "unlogged, with others": refusals.unlogged(DECLARED, BLOCK),
    "inherited": refusals.inherited(replace(DECLARED, parents=("base",)), [_INDEX]),
    "inherited by a partition": refusals.inherited(replace(DECLARED, parents=("base",), is_partition=True), [_INDEX]),
    "partitioned": refusals.partitioned(DECLARED, [_INDEX]),
    "hidden from the owner": refusals.rows_hidden(DECLARED, 'o"dd', "repairs would miss them."),
    "hidden from another role": refusals.rows_hidden(
        replace(DECLARED, owned=False), 'o"dd', "repairs would miss them."
    ),
    "a parent without a key": refusals.parent_without_key(DECLARED, ["id"]),
    "a replica identity": refusals.replica_identity(DECLARED, _INDEX),
    "a replica identity, and no key": refusals.replica_identity(replace(DECLARED, constraints=()), _INDEX),
    "a table of another owner": refusals.not_owner(replace(DECLARED, owner="other"), 'o"dd'),
    "a child of another owner": refusals.not_owner_of_child(DECLARED, DECLARED, 'o"dd'),
    "reading and changing rows": refusals.may_not_write(
        replace(DECLARED, missing_privileges=("INSERT",)), 'o"dd', ["SELECT", "INSERT"], "it is written"
    ),
    "reading and changing rows of another owner": refusals.may_not_write(
        replace(DECLARED, owned=False, owner="other", missing_privileges=("INSERT",)),
        'o"dd',
        ["SELECT", "INSERT"],
        "it is written",
    ),
    "a role that owns nothing": refusals.owns_nothing(replace(SERVER, history_owner="other")),
    "altered by its owner": refusals.with_owner(refusals.unlogged(DECLARED), replace(DECLARED, owned=False)),
    "CREATE on the project's schema": refusals.may_not_create(SERVER),
    "a schema of its own": refusals.may_not_create(replace(_ELSEWHERE, search_path='oracle, "$user"')),
    "a schema of its own, on the path": refusals.may_not_create(_ELSEWHERE),
    "TEMPORARY": refusals.may_not_create_temporary(SERVER),
    "USAGE on the schema": refusals.may_not_use("public", "clinic", "it holds the project's tables"),
    "several schemas off the path": refusals.no_schema(_NOWHERE, ["clinic", "other"]),
    "a schema off the path": refusals.no_schema(_NOWHERE, ["clinic"]),
    "PostgreSQL's own schema": refusals.no_schema(
        replace(SERVER, search_path="pg_catalog", system_schema="pg_catalog"), []
    ),
    "no such schema": refusals.no_schema(_NOWHERE, []),
    "a fixed path": refusals.no_schema(_FIXED, ["clinic"]),
    "read-only transactions": refusals.read_only(SERVER),
    "a standby": refusals.standby(SERVER),
    "REFERENCES": refusals.may_not_reference(DECLARED, "clinic"),
    "a sequence": refusals.may_not_use_sequence(_TYPE, _SEQUENCE, "clinic"),
    "a sequence and its schema": refusals.may_not_use_sequence(
        _TYPE, replace(_SEQUENCE, schema_usable=False), "clinic"
    ),
    "a sequence of another owner": refusals.sequence_of_another_owner(_TYPE, _SEQUENCE, "clinic"),
    "a sequence at its end": refusals.sequence_at_end(DECLARED, _TYPE, "SELECT setval(x)"),
    "keys at the end of their type": refusals.keys_exhausted(DECLARED, _TYPE, ALTER),
    "keys at the end of the widest type": refusals.keys_exhausted(DECLARED, _TYPE),
    "a type without a conversion": _type(possible=False),
    "a type, and something in the way": _type(in_the_way=("index by_status",)),
    "a type": _type(ALTER),
    "a type, in several steps": _type(BLOCK),
    "a type, and what depends on it": _type(BLOCK, recreated=("view report",)),
    "an integer key": _type(ALTER, online="manage.py widen_keys visit.id"),
    "an integer key, and what depends on it": _type(
        BLOCK, recreated=("view report",), online="manage.py widen_keys visit.id"
    ),
    "what new columns can't take over": refusals.widening_blocked(
        DECLARED, ["id"], [model.Obstacle("statistics s", "DROP STATISTICS s")], refusals.widen_command(["visit.id"])
    ),
    "renamed": refusals.renamed_column(DECLARED, _missing(STATUS, "state")),
    "renamed, or a value is missing": refusals.renamed_column(
        DECLARED, _missing(replace(STATUS, default=None), "state")
    ),
    "renamed from one of several": refusals.renamed_column(
        DECLARED, _missing(STATUS, "state", "stage", rivals=("phase",))
    ),
    "a column that rewrites": refusals.column_needs_rewrite(DECLARED, ID, f"ADD COLUMN {ID.name} {ID.definition}"),
    "a column without a value": refusals.column_without_value(
        DECLARED, replace(STATUS, python_default_error="division by zero")
    ),
    "a column of Django's table that Django doesn't know": refusals.unknown_to_django(DECLARED, STATUS),
    "NULLs without a default": refusals.nulls_without_default(DECLARED, STATUS),
    "NULLs that a trigger keeps": refusals.nulls_kept(DECLARED, STATUS, _BACKFILL),
    "NULLs that come back": refusals.nulls_kept(DECLARED, STATUS, replace(_BACKFILL, triggers=())),
    "a trigger changes rows": refusals.trigger_changes_rows(_STEP, [], _BACKFILL.triggers, _BACKFILL),
    "a trigger changes rows, another doesn't": refusals.trigger_changes_rows(_STEP, ["version"], [_BEFORE], _BACKFILL),
    "a trigger changes other rows": refusals.trigger_changes_other_rows(_STEP, ["patient"]),
    "rows that never change": refusals.append_only(DECLARED, STATUS, "1 row is NULL"),
    "a function of another kind": refusals.function_name_taken("public", _FUNCTION, replace(_RECORD, result="integer")),
    "a function that can't be created": refusals.function_rejected(
        RejectedFunction("record()", Kind.FUNCTION_REJECTED, "record()", "a function", "nothing", can_be_called=False)
    ),
    "a function of other parameters": refusals.function_in_use(
        "public", _FUNCTION, replace(_RECORD, needed_by="view report")
    ),
    "a function of another owner": refusals.function_of_another_owner("public", _FUNCTION, _RECORD, "clinic"),
    "a constraint that needs a lock": refusals.constraint_needs_lock(DECLARED, PRIMARY_KEY, "ADD CONSTRAINT x"),
    "another key": _key(ALTER),
    "another key, in several steps": _key(BLOCK),
    "another key, and something in the way": _key(in_the_way=("view report",)),
    "another key, and no column": _key(missing=("id",)),
    "a constraint of another kind": refusals.other_kind(DECLARED, _KEY, HAS_STATUS),
    "duplicates": refusals.duplicates(DECLARED, "visit_pkey"),
    "orphans": refusals.orphan_rows(DECLARED, TO_PATIENT, "patient"),
    "rows that break a check": refusals.check_violations(DECLARED, HAS_STATUS, "(status <> '')"),
    "an index's name is a type's": _named_like(RelationKind.COMPOSITE_TYPE),
    "an index's name is a sequence's": _named_like(RelationKind.SEQUENCE),
    "an index's name is another table's index's": _named_like(RelationKind.INDEX, "patient"),
    "an index's name is a constraint's": refusals.index_in_use(_UNDER_CONSTRAINT, "public"),
    "something depends on an index": refusals.index_in_use(_WRONG_INDEX, "public"),
    "a constraint's name is another's": refusals.constraint_name_taken(DECLARED, _KEY, "the key", "visit_has_status"),
    "locked": refusals.locked(_STEP, 6, ""),
    "a statement fails": refusals.statement_failed(_STEP, "status", "division by zero", "22012"),
    "a trigger raises": refusals.statement_failed(_STEP, "status", "for ever", "P0001", by_triggers=True),
    "Django's statement fails": refusals.django_failed("add rows", "division by zero", "22012", ("", "", "")),
    "Django's row lacks a value": refusals.django_failed("add rows", "null", "23502", ("public", "visit", "status")),
    "nothing can be read": refusals.not_comparable("clinic", "no"),
    "an extension": refusals.extension_missing("citext", "permission denied"),
    "unrecorded migrations": refusals.unrecorded_migrations("visits", ["visit"], ()),
    "unrecorded migrations of a reconciled app": refusals.unrecorded_migrations("visits", ["visit"], RECORD),
    "unrecorded dependencies": refusals.unrecorded_dependencies("visits", ["visit"], ()),
    "unrecorded dependencies of a reconciled app": refusals.unrecorded_dependencies("visits", ["visit"], RECORD),
}

#: Shorter pieces, such as "; ", say nothing; those that aren't much longer are in other texts, too.
_SHORTEST, _DISTINCTIVE = 3, 10


def catalogue_words() -> Iterator[str]:
    """Yield each piece of text that the catalogue's functions write, as it is between the names that they fill in."""
    functions = [node for node in ast.parse(inspect.getsource(refusals)).body if isinstance(node, ast.FunctionDef)]
    for function in functions:
        compared = {id(part) for node in ast.walk(function) if isinstance(node, ast.Compare) for part in ast.walk(node)}
        written = [node for node in ast.walk(function) if isinstance(node, ast.Constant) and id(node) not in compared]
        texts = [node.value for node in written if isinstance(node.value, str) and len(node.value) >= _SHORTEST]
        yield from (text for text in texts if text != ast.get_docstring(function, clean=False))


_WORDS = frozenset(words for words in catalogue_words() if len(words) >= _DISTINCTIVE)


def way_of(code: str, remedy: str, statements: Sequence[str]) -> str | None:
    """Return the name of the example that is told in the same way."""
    return _NAMES.get(_way(code, remedy, statements))


def _way(code: str, remedy: str, statements: Sequence[str]) -> tuple[str, frozenset[str], tuple[str, ...]]:
    for statement in statements:
        remedy = remedy.replace(statement, "")
    verbs = dict.fromkeys(re.findall("^[A-Z]+(?: [A-Z]+)*", statement)[0] for statement in statements)
    return code, frozenset(word for word in _WORDS if word in remedy), tuple(verbs)


_NAMES = {_way(r.code, r.remedy, r.statements): name for name, r in EXAMPLES.items()}
