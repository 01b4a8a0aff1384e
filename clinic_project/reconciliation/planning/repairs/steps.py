"""The steps that several repairs share: ALTER TABLE, VALIDATE CONSTRAINT, concurrent builds and drops."""

from collections.abc import Sequence

from ...schema.model import Column, Constraint, ConstraintKind, Index, Table, identifier, literal, table_sql_name
from ..plan import Lock, Step, ViolationQuery


def alter_table(
    table: Table,
    reason: str,
    *clauses: str,
    lock: Lock = Lock.ACCESS_EXCLUSIVE,
    parent: tuple[str, str] | None = None,
    violations: ViolationQuery | None = None,
    check_first: bool = False,
) -> Step:
    """Return a step with an ALTER TABLE for each clause. Adding or dropping a foreign key locks its `parent` as well."""
    return Step(
        alterations(table, clauses),
        table.name,
        lock,
        reason,
        relations=(table.sql_name,) if parent is None else (table.sql_name, table_sql_name(*parent)),
        violations=violations,
        check_first=check_first,
    )


def alterations(table: Table, clauses: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"ALTER TABLE {table.sql_name} {clause}" for clause in clauses)


def atomically(statements: Sequence[str]) -> str:
    """Return one statement that runs all of these, or none of them."""
    if len(statements) == 1:
        return statements[0]
    body = "".join(f"    {statement};\n" for statement in statements)
    tag = "$statements$"
    while tag in body:
        tag = f"${tag[1:-1]}_$"
    return f"DO {tag}\nBEGIN\n{body}END {tag}"


def validate_constraint(table: Table, constraint: str, reason: str, violations: ViolationQuery | None = None) -> Step:
    return Step(
        alterations(table, [f"VALIDATE CONSTRAINT {identifier(constraint)}"]),
        table.name,
        Lock.SHARE_UPDATE_EXCLUSIVE,
        reason,
        relations=(table.sql_name,),
        violations=violations,
        scans=True,
    )


def add_key_using_index(key: Constraint, index: str) -> str:
    """Return the clause that makes a unique index of another name that of a primary key or unique constraint."""
    kind = "PRIMARY KEY" if key.kind is ConstraintKind.PRIMARY_KEY else "UNIQUE"
    deferrability = f" {key.deferrability}" if key.deferrable else ""
    return f"ADD CONSTRAINT {identifier(key.name)} {kind} USING INDEX {identifier(index)}{deferrability}"


def create_index(index: Index, table: Table, *, name: str | None = None, concurrently: bool = False) -> str:
    unique = "UNIQUE " if index.unique else ""
    how = "CONCURRENTLY " if concurrently else ""
    return f"CREATE {unique}INDEX {how}{identifier(name or index.name)} ON {table.sql_name} {_definition(index)}"


def _definition(index: Index) -> str:
    """Return the definition with the tablespace, which PostgreSQL doesn't print: it comes before the predicate."""
    if not index.tablespace:
        return index.definition
    where = f" WHERE {index.predicate}" if index.predicate else ""
    return f"{index.definition.removesuffix(where)} TABLESPACE {identifier(index.tablespace)}{where}"


def build_index(table: Table, index: Index, name: str, reason: str, violations: ViolationQuery | None) -> Step:
    return Step(
        (create_index(index, table, name=name, concurrently=True),),
        table.name,
        Lock.SHARE_UPDATE_EXCLUSIVE,
        reason,
        relations=(table.sql_name,),
        transactional=False,
        builds=identifier(table.schema, name),
        scans=True,
        violations=violations,
    )


def drop_index(table: Table, name: str, reason: str) -> Step:
    return Step(
        (f"DROP INDEX CONCURRENTLY IF EXISTS {identifier(table.schema, name)}",),
        table.name,
        Lock.SHARE_UPDATE_EXCLUSIVE,
        reason,
        relations=(table.sql_name,),
        transactional=False,
    )


def comment_on_table(table: Table, comment: str) -> str:
    return f"COMMENT ON TABLE {table.sql_name} IS {literal(comment)}"


def comment_on_column(table: Table, column: Column) -> str:
    return f"COMMENT ON COLUMN {table.sql_name}.{identifier(column.name)} IS {literal(column.comment)}"


def drop_constraint(name: str, *, if_exists: bool = False) -> str:
    return f"DROP CONSTRAINT {'IF EXISTS ' if if_exists else ''}{identifier(name)}"
