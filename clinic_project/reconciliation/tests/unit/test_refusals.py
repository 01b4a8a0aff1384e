"""The catalogue of refusals: every code has its text there, and the remedy contains the statements."""

import inspect

import pytest

from ...planning import refusals
from ...planning.plan import RefusalCode
from ...schema.model import MAX_NAME_LENGTH
from ..support.ways import EXAMPLES, catalogue_words, way_of
from .schemas import DECLARED


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_remedy_contains_its_statements(name: str):
    for statement in EXAMPLES[name].statements:
        assert statement in EXAMPLES[name].remedy
        assert "…" not in statement


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_told_in_its_own_way(name: str):
    example = EXAMPLES[name]
    assert way_of(example.code, example.remedy, example.statements) == name


def test_the_examples_have_all_that_the_catalogue_can_tell():
    told = "\n".join("\n".join((e.reason, e.remedy, *e.statements)) for e in EXAMPLES.values())
    assert [words for words in catalogue_words() if words not in told] == []


def test_every_code_has_its_text_in_the_catalogue():
    source = inspect.getsource(refusals)
    assert [code for code in RefusalCode if f"RefusalCode.{code.name}" not in source] == []


def test_names_are_quoted():
    assert '"o""dd"' in refusals.not_owner(DECLARED, 'o"dd').statements[0]


@pytest.mark.parametrize("name", ["visit", "v" * 63, "診" * 21, "é" * 30 + "xyz"])
def test_another_name_is_no_longer_than_postgresql_allows_and_another(name: str):
    other = refusals.free_name(name)
    assert other.endswith("_undeclared")
    assert other != name
    assert len(other.encode()) <= MAX_NAME_LENGTH
