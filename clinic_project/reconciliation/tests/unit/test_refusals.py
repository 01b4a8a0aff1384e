"""The catalogue of refusals: every code has its text there, and the remedy contains the statements."""

import inspect
from dataclasses import replace

import pytest

from ...comparison.differences import Kind, MissingIndex
from ...planning import refusals
from ...planning.plan import Refusal, RefusalCode
from ...schema.model import TableElsewhere
from .schemas import BY_STATUS, DECLARED, ID, PRIMARY_KEY, SERVER

ITEM = MissingIndex("visit", Kind.INDEX_MISSING, "visit_status", "USING btree (status)", "nothing", BY_STATUS, None)

WITH_STATEMENTS = [
    refusals.unlogged(DECLARED),
    refusals.rows_hidden(DECLARED, 'o"dd', "repairs would miss them."),
    refusals.rows_hidden(replace(DECLARED, owned=False), 'o"dd', "repairs would miss them."),
    refusals.parent_without_key(DECLARED, ["id"]),
    refusals.replica_identity(DECLARED, ITEM),
    refusals.not_owner(DECLARED, 'o"dd'),
    refusals.not_owner_of_child(DECLARED, DECLARED, 'o"dd'),
    refusals.may_not_create(SERVER),
    refusals.may_not_create(replace(SERVER, schema="oracle", holds_project=False)),
    refusals.may_not_create_temporary(SERVER),
    refusals.may_not_use(SERVER),
    refusals.no_schema(SERVER, ["clinic"]),
    refusals.no_schema(replace(SERVER, search_path="gone"), []),
    refusals.no_schema(replace(SERVER, search_path="pg_catalog", system_schema="pg_catalog"), []),
    refusals.read_only(SERVER),
    refusals.found_elsewhere("visit", "public", TableElsewhere("old", "visit", ("id",))),
    refusals.renamed_table("visit", "public", "visits", "has its index visit_pkey", "rename that"),
    refusals.may_not_write(replace(DECLARED, lacks=("INSERT",)), 'o"dd', ["SELECT", "INSERT"], "it is written"),
    refusals.may_not_reference(DECLARED, "clinic"),
    refusals.extension_missing("citext", "permission denied"),
    refusals.column_needs_rewrite(DECLARED, ID, f"ADD COLUMN {ID.name} {ID.definition}"),
    refusals.constraint_needs_lock(DECLARED, PRIMARY_KEY, "ADD CONSTRAINT visit_pkey PRIMARY KEY (id)"),
]


@pytest.mark.parametrize("refusal", WITH_STATEMENTS, ids=lambda refusal: refusal.code)
def test_the_remedy_contains_its_statements(refusal: Refusal):
    assert refusal.statements
    for statement in refusal.statements:
        assert statement in refusal.remedy
        assert "…" not in statement


def test_every_code_has_its_text_in_the_catalogue():
    source = inspect.getsource(refusals)
    assert [code for code in RefusalCode if f"RefusalCode.{code.name}" not in source] == []


def test_names_are_quoted():
    assert '"o""dd"' in refusals.not_owner(DECLARED, 'o"dd').statements[0]
