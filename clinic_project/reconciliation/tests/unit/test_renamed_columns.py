"""Definitions with other names for some columns: names alone are replaced, not what only has the same letters."""

import pytest

from ...planning.renamed_columns import foreign_key_with_columns, index_with_columns, with_columns
from ...schema.model import Constraint, ConstraintKind, Index

NAMES = {"id": "new", "Weird id": "other", "btree": "tree"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("(id > 0)", '("new" > 0)'),
        ('("Weird id" = id)', '("other" = "new")'),
        ("((note)::text = 'id'::text)", "((note)::text = 'id'::text)"),
        ("(note = 'it''s id' AND id = 1)", "(note = 'it''s id' AND \"new\" = 1)"),
        ("(idea > paid_id)", "(idea > paid_id)"),
        ("(id(note) = (shape).id)", "(id(note) = (shape).id)"),
        ("(note::id = 'x')", "(note::id = 'x')"),
        ('(note COLLATE "id" = "id$")', '(note COLLATE "id" = "id$")'),
        ("abs(id), id DESC NULLS LAST", 'abs("new"), "new" DESC NULLS LAST'),
        ("ON DELETE SET NULL (id)", 'ON DELETE SET NULL ("new")'),
    ],
)
def test_names(before: str, after: str):
    assert with_columns(before, NAMES) == after


def test_an_access_method_stays():
    index = Index("i", False, "", "USING btree (btree, id) INCLUDE (note) WHERE (id > 5)")
    assert index_with_columns(index, NAMES) == 'USING btree ("tree", "new") INCLUDE (note) WHERE ("new" > 5)'


@pytest.mark.parametrize(
    "actions", ["", " MATCH FULL", " ON UPDATE CASCADE ON DELETE SET NULL", " ON DELETE SET DEFAULT (parent)"]
)
def test_a_foreign_key_has_columns_of_two_tables(actions: str):
    definition = f"FOREIGN KEY (parent, id) REFERENCES public.id(id, parent){actions}"
    key = Constraint(
        "k",
        ConstraintKind.FOREIGN_KEY,
        definition,
        ("parent", "id"),
        target=("public", "id"),
        target_columns=("id", "parent"),
        deferrable=True,
        deferred=True,
    )
    assert foreign_key_with_columns(key, {"parent": "a"}, {"id": "b"}) == (
        'FOREIGN KEY ("a", "id") REFERENCES "public"."id" ("b", "parent")'
        + actions.replace("(parent)", '("a")')
        + " DEFERRABLE INITIALLY DEFERRED"
    )
