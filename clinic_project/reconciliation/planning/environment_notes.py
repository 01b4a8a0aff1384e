"""Notes about the rest of the database: relations of the same name in other schemas, and what no model declares."""

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
        f"queries that name no schema find {identifier(schema, table.name)}, which is earlier on the search path. The one"
        f" that is reconciled is {table.sql_name}."
    )
    return Note(NoteCode.SHADOWED, table.name, table.name, text)


def _in_another_schema(relation: Relation, schema: str) -> Note:
    text = (
        f"the table in the schema {schema} is reconciled; {relation.kind.label} of the same name in the schema"
        f" {relation.schema} is left alone."
    )
    return Note(NoteCode.ANOTHER_SCHEMA, relation.name, relation.name, text)


def _undeclared(undeclared: Sequence[Undeclared]) -> Iterator[Note]:
    """Yield a note for each object that has a warning, and one for the rest of a table."""
    without_warning = defaultdict(list)
    for item in undeclared:
        if item.warning:
            text = f"isn't declared, and is left alone: {item.warning}."
            yield Note(NoteCode(f"undeclared-{item.kind}"), item.table, item.name, text)
        else:
            without_warning[item.table].append(f"{item.kind} {item.name}")
    for table, names in without_warning.items():
        text = f"left alone, since no model declares them: {', '.join(names)}."
        yield Note(NoteCode.UNDECLARED, table, table, text)
