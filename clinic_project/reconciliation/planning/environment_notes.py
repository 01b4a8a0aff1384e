"""What else a person should know: tables of the same name elsewhere, and what no model declares."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ..comparison.differences import Differences, Undeclared
from ..schema.model import Relation, Table, identifier
from .plan import Note, NoteCode


def environment_notes(differences: Differences) -> Iterator[Note]:
    declared, actual = differences.declared.tables, differences.actual
    for table in actual.tables.values():
        if table.shadowed_by is not None and table.name in declared:
            yield _shadowed(table, table.shadowed_by)
    for relation in actual.same_named:
        if relation.name in declared and relation.kind.can_be_queried:
            yield _in_another_schema(relation, actual.name)
    yield from _undeclared(differences.undeclared)


def _shadowed(table: Table, schema: str) -> Note:
    text = (
        f"queries for it find {identifier(schema, table.name)} instead, which is earlier on the search path. This one is"
        " the one that is kept in order."
    )
    return Note(NoteCode.SHADOWED, table.name, table.name, text)


def _in_another_schema(relation: Relation, schema: str) -> Note:
    text = f"this table is kept in the schema {schema}; the one of its name in {relation.schema} is left alone."
    return Note(NoteCode.ANOTHER_SCHEMA, relation.name, relation.name, text)


def _undeclared(undeclared: Sequence[Undeclared]) -> Iterator[Note]:
    """Note what may do harm by name, the rest of a table in one line."""
    harmless = defaultdict(list)
    for each in undeclared:
        if each.warning:
            text = f"isn't declared, and is left alone: {each.warning}."
            yield Note(NoteCode(f"undeclared-{each.kind}"), each.table, each.name, text)
        else:
            harmless[each.table].append(f"{each.kind} {each.name}")
    for table, names in harmless.items():
        text = f"left alone, since no model declares them: {', '.join(names)}."
        yield Note(NoteCode.UNDECLARED, table, table, text)
