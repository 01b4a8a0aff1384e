"""Notes about the rest: relations of the same name in other schemas, what no model declares, what is ignored, and attached
standbys."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from ..comparison.differences import Difference, Differences, Undeclared
from ..schema.model import Index, Relation, Server, Table, identifier
from .plan import Lock, Note, NoteCode, Repair, Step

#: How many names a note shows, at most.
_MAX_SHOWN = 3


def environment_notes(differences: Differences) -> Iterator[Note]:
    declared, actual = differences.declared.tables, differences.actual
    for table in actual.tables.values():
        if table.shadowed_by is not None and table.name in declared:
            yield _shadowed(table, table.shadowed_by)
    refused = {(table.schema, table.name) for table in actual.elsewhere if table.name not in actual.tables}
    same_named = [
        relation
        for relation in actual.same_named
        if relation.name in declared
        and relation.kind.can_be_queried
        and (relation.schema, relation.name) not in refused
    ]
    if same_named:
        yield _in_other_schemas(same_named, actual.name)
    for name, table in declared.items():
        if name in actual.tables:
            yield from _wider_integers(table, actual.tables[name])
            yield from _other_tablespaces(table, actual.tables[name])
    yield from _undeclared(differences.undeclared)
    yield from _privileges_revoked([actual.tables[name] for name in declared if name in actual.tables])


def _privileges_revoked(tables: Iterable[Table]) -> Iterator[Note]:
    """Yield a note for each table of this role on which it lacks privileges that an owner has unless they are revoked."""
    for table in tables:
        if table.owned and table.missing_privileges:
            privileges = ", ".join(table.missing_privileges)
            text = (
                f"its owner, {table.owner}, lacks the privileges {privileges} on it: an application that connects as it"
                f" fails at that. If one does, run GRANT {privileges} ON {table.sql_name} TO {identifier(table.owner)}"
            )
            yield Note(NoteCode.PRIVILEGES_REVOKED, table.name, table.name, text)


def _wider_integers(declared: Table, actual: Table) -> Iterator[Note]:
    for column in declared.columns.values():
        found = actual.columns.get(column.name)
        if found is not None and found.is_wider_integer_than(column):
            text = f"is {found.type}, which holds all that the declared {column.type} does, and is left so."
            yield Note(NoteCode.WIDER_INTEGER, actual.name, column.name, text)


def _other_tablespaces(declared: Table, actual: Table) -> Iterator[Note]:
    """Yield a note for what is declared in a tablespace and is in another: moving it copies it under a lock."""
    indexes = ((index.name, index.tablespace, actual.index(index.name)) for index in declared.indexes)
    for name, tablespace, found in ((actual.name, declared.tablespace, actual), *indexes):
        if tablespace and found is not None and found.tablespace != tablespace:
            kind, sql_name = "TABLE", actual.sql_name
            if isinstance(found, Index):
                kind, sql_name = "INDEX", identifier(actual.schema, name)
            text = (
                f"is in {f'the tablespace {found.tablespace}' if found.tablespace else 'the default tablespace'}, not in the"
                f" declared {tablespace}, and is left there: moving it copies it under a lock that blocks readers. When it"
                f" isn't in use: ALTER {kind} {sql_name} SET TABLESPACE {identifier(tablespace)}"
            )
            yield Note(NoteCode.ANOTHER_TABLESPACE, actual.name, name, text)


def _shadowed(table: Table, schema: str) -> Note:
    text = (
        f"queries that name no schema find {identifier(schema, table.name)}, which is earlier on the search path. The one"
        f" that is reconciled is {table.sql_name}. Put the schema {table.schema} first on the search path."
    )
    return Note(NoteCode.SHADOWED, table.name, table.name, text)


def _in_other_schemas(relations: Sequence[Relation], schema: str) -> Note:
    """Return one note however many there are: there may be a schema for each of hundreds of tenants."""
    names = sorted({relation.name for relation in relations})
    schemas = sorted({relation.schema for relation in relations})
    found = f"{relations[0].kind.label} of the same name" if len(relations) == 1 else f"{len(relations)} of these names"
    text = (
        f"reconciled in the schema {schema}; {found} in {_some(schemas, 'schema', 'other schemas')}"
        f" {'is' if len(relations) == 1 else 'are'} left alone."
    )
    if len(names) == 1:
        return Note(NoteCode.ANOTHER_SCHEMA, names[0], names[0], text)
    return Note(NoteCode.ANOTHER_SCHEMA, schema, schema, f"{_some(names, 'table', 'tables')}: {text}")


def _some(names: Sequence[str], singular: str, plural: str) -> str:
    """Return how many names there are, and the first ones."""
    if len(names) == 1:
        return f"the {singular} {names[0]}"
    more = ", …" if len(names) > _MAX_SHOWN else ""
    return f"{len(names)} {plural} ({', '.join(names[:_MAX_SHOWN])}{more})"


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


def ignored_note(item: Difference | Undeclared) -> Note:
    """Return the note of a difference that is meant."""
    if isinstance(item, Difference):
        found = f"expected {item.declared_text}, found {item.actual_text}"
    else:
        found = f"{item.kind.label} that no model declares"
    return Note(NoteCode.IGNORED, item.table, item.name, f"ignored, as RECONCILIATION says: {found}.")


def unmatched_notes(differences: Differences, labels: Collection[str]) -> list[Note]:
    """Return a note for each of the ignored `labels` that no difference has."""
    unmatched = sorted(set(labels) - {item.subject.label for item in differences.ignored})
    text = (
        'is in RECONCILIATION["ignore"], but nothing that differs in this database has this name. Write it as reconcile'
        " --plan does, or remove it if it isn't meant for another of the project's databases."
    )
    return [Note(NoteCode.IGNORE_UNMATCHED, label, label, text) for label in unmatched]


def collation_note(server: Server) -> Note | None:
    """Return a note if the server sorts text by another version of its library than the one by which indexes were built.

    https://www.postgresql.org/docs/current/sql-alterdatabase.html
    """
    recorded, actual = server.collation_versions
    if not recorded or not actual or recorded == actual:
        return None
    database = identifier(server.database)
    text = (
        f"the version {recorded} of its collation is recorded, the server has {actual}, which may sort text otherwise: by"
        " its indexes, rows may not be found, and duplicates not be rejected. Run REINDEX (CONCURRENTLY) DATABASE"
        f" {database}, then ALTER DATABASE {database} REFRESH COLLATION VERSION, as its owner or as a superuser."
    )
    return Note(NoteCode.COLLATION_VERSION, server.database, server.database, text)


def outdated_collations_note(server: Server) -> Note | None:
    """Return a note if the server has other versions of collations than those by which indexes were built.

    https://www.postgresql.org/docs/current/sql-altercollation.html
    """
    if not server.outdated_collations:
        return None
    refresh = "; ".join(f"ALTER COLLATION {name} REFRESH VERSION" for name in server.outdated_collations)
    text = (
        f"indexes were built by other versions of {', '.join(server.outdated_collations)} than the server has now, which may"
        " sort text otherwise: rows may not be found, and duplicates not be rejected. Run REINDEX (CONCURRENTLY) DATABASE"
        f" {identifier(server.database)}, then {refresh}, as the owner of these or as a superuser."
    )
    return Note(NoteCode.COLLATION_VERSION, server.database, server.database, text)


def standby_note(repairs: Iterable[Repair], differences: Differences, server: Server) -> Note | None:
    """Return a note if repairs of existing tables make the readers on a standby wait."""
    tables = differences.actual.tables
    steps = [step for repair in repairs if repair.table in tables for step in repair.steps]
    if not server.standbys or not any(map(_locks_readers_on_standbys, steps)):
        return None
    names = ", ".join(name for name in server.standbys if name)
    count = len(server.standbys)
    text = (
        f"{'a standby is' if count == 1 else f'{count} standbys are'} attached{f' ({names})' if names else ''}. There, a"
        " change of a table that is read waits for its readers, and so do all later changes and later readers of the table,"
        " until the readers end, or for max_standby_streaming_delay: then they are canceled."
    )
    return Note(NoteCode.STANDBY, server.database, server.database, text)


def _locks_readers_on_standbys(step: Step) -> bool:
    """Whether it takes an ACCESS EXCLUSIVE lock, the only one that is replayed; a concurrent drop does, of the index."""
    return step.lock is Lock.ACCESS_EXCLUSIVE or (not step.transactional and step.builds is None)
