"""All refusals: what was found, what was expected, what to do, and the SQL for that, ready to run.

In the reasons of those that count rows, {rows} and {keys} are placeholders: see `ViolationQuery`.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..comparison.differences import (
    ColumnDifference,
    ConstraintDifference,
    Difference,
    FunctionDifference,
    IndexDifference,
    MissingColumn,
    RejectedFunction,
    RejectedTable,
)
from ..schema.model import (
    Column,
    Constraint,
    Function,
    ObjectReference,
    Obstacle,
    Relation,
    RelationKind,
    Server,
    Table,
    TableElsewhere,
    UpdateTrigger,
    identifier,
    table_sql_name,
    unquoted,
    with_suffix,
)
from ..schema.model import Sequence as KeySequence
from ..sqlstates import NOT_NULL_VIOLATION
from .plan import Backfill, Refusal, RefusalCode, RefusedRows, Step

_UNDECLARED = "_undeclared"
_AGAIN = "then run migrate again."

#: How many schemas are named at most: there may be one for each of hundreds of tenants.
_NAMED = 3

#: Stands for the table where PostgreSQL doesn't say at which one Django's statement failed.
_DJANGO = "django"
_BATCHED = ", in batches"
_AS_CREATOR = "As this role, if it has CREATE on the database, else as a superuser, run"


def listed(items: Sequence[Difference]) -> str:
    return "; ".join(f"{item.name}: expected {item.declared_text}, found {item.actual_text}" for item in items) + "."


def with_owner(refusal: Refusal, table: Table | None) -> Refusal:
    """Add who may alter the table, if the remedy does and this role may not."""
    if table is None or table.owned or refusal.code is RefusalCode.NOT_OWNER:
        return refusal
    if not any(f"ALTER TABLE {table.sql_name} " in statement for statement in refusal.statements):
        return refusal
    return replace(
        refusal, remedy=f"{refusal.remedy} Only its owner, {table.owner}, or a superuser may alter this table."
    )


# Tables


def not_a_table(name: str, owner: Relation) -> Refusal:
    return Refusal(
        RefusalCode.NOT_A_TABLE,
        name,
        name,
        f"expected a table, found {owner.kind.label} of that name in the schema {owner.schema}.",
        f"Rename or drop it ({table_sql_name(owner.schema, name)}), {_AGAIN}",
    )


def table_rejected(item: RejectedTable) -> Refusal:
    return Refusal(
        RefusalCode.TABLE_REJECTED,
        item.table,
        item.table,
        f"expected {item.declared_text}, found {item.actual_text}.",
        f"Create what the message names (a type, a sequence, an extension), put its schema on the search path, or correct"
        f" the model, {_AGAIN}",
    )


def found_elsewhere(name: str, schema: str, elsewhere: TableElsewhere) -> Refusal:
    """Refuse to create a table that is filled in another schema of the search path."""
    statement = f"ALTER TABLE {elsewhere.sql_name} SET SCHEMA {identifier(schema)}"
    return Refusal(
        RefusalCode.FOUND_ELSEWHERE,
        name,
        name,
        f"expected the table in the schema {schema}, found it, with rows, in the schema {elsewhere.schema}, which is on the"
        " search path as well. An empty one beside it would hide those rows, or be hidden by it.",
        f"If it is this project's, run {statement} as its owner or as a superuser, {_AGAIN} Else rename it, or take its"
        " schema off the search path.",
        (statement,),
    )


def moved_table(name: str, schema: str, found_in: str, keys: Sequence[tuple[Table, Constraint]]) -> Refusal:
    """Refuse to create a table where the foreign `keys`, each after its table, point to one of its name elsewhere."""
    statement = f"ALTER TABLE {table_sql_name(found_in, name)} SET SCHEMA {identifier(schema)}"
    labels = ", ".join(ObjectReference(table.name, key.name).label for table, key in keys)
    undo = "; ".join(f"ALTER TABLE {table.sql_name} DROP CONSTRAINT {identifier(key.name)}" for table, key in keys)
    return Refusal(
        RefusalCode.FOUND_ELSEWHERE,
        name,
        name,
        f"expected the table in the schema {schema}, found that foreign keys ({labels}) point to the one of its name in the"
        f" schema {found_in}. An empty one beside it would hide its rows.",
        f"If it is this project's, run {statement} as its owner or as a superuser, {_AGAIN} If it isn't, drop these foreign"
        f" keys ({undo}), as the owner of their tables or as a superuser, {_AGAIN}",
        (statement,),
    )


def renamed_table(name: str, schema: str, found: str, evidence: str, undo: str) -> Refusal:
    """Refuse to create a table that may only have been renamed. `undo` says how to show that it wasn't."""
    statement = f"ALTER TABLE {identifier(schema, found)} RENAME TO {identifier(name)}"
    return Refusal(
        RefusalCode.RENAMED_TABLE,
        name,
        name,
        f"the table is missing, and {found}, which no model declares, {evidence}: it may have been renamed. An empty table"
        " in its place would hide its rows.",
        f"If it was, run {statement}. If it wasn't, {undo}. {_AGAIN.capitalize()}",
        (statement,),
    )


def unlogged(table: Table, statement: str | None = None) -> Refusal:
    """`statement` is for tables that reference each other: none of these can be made LOGGED by itself."""
    statement = statement or f"ALTER TABLE {table.sql_name} SET LOGGED"
    return Refusal(
        RefusalCode.UNLOGGED,
        table.name,
        table.name,
        "expected a logged table, found an UNLOGGED one, which is emptied when the server crashes.",
        f"Run {statement}: it rewrites the table under a lock that blocks readers. Of several tables, those that others"
        " reference come first, as listed.",
        (statement,),
    )


def partitioned(table: Table, items: Sequence[Difference]) -> Refusal:
    return Refusal(
        RefusalCode.PARTITIONED,
        table.name,
        table.name,
        "expected an ordinary table, found a partitioned one, which can't be repaired while other sessions write."
        f" What differs: {listed(items)}",
        f"Repair it yourself, partition by partition, or make it an ordinary table, {_AGAIN}",
    )


def inherited(table: Table, items: Sequence[Difference]) -> Refusal:
    """Refuse to alter what the table inherits: that would alter another table, perhaps one that no model declares."""
    name, parents = table.sql_name, ", ".join(table.parents)
    if table.is_partition:
        what_to_do = "detach it: as the owner of both"
        detach = tuple(f"ALTER TABLE {parent} DETACH PARTITION {name}" for parent in table.parents)
    else:
        what_to_do = "let this table stand by itself: as its owner"
        detach = tuple(f"ALTER TABLE {name} NO INHERIT {parent}" for parent in table.parents)
    return Refusal(
        RefusalCode.INHERITED,
        table.name,
        table.name,
        f"what differs is inherited from {parents}, and can only be altered there, in every table that inherits it:"
        f" {listed(items)}",
        f"Alter it there, or {what_to_do}, or as a superuser, run {'; '.join(detach)}, {_AGAIN} Queries of {parents} don't"
        " find its rows then.",
        detach,
    )


def rows_hidden(table: Table, role: str, consequence: str) -> Refusal:
    """Refuse what reads a table some of whose rows row-level security hides; `consequence` is what would happen else."""
    if table.owned:
        statement = f"ALTER TABLE {table.sql_name} NO FORCE ROW LEVEL SECURITY"
        undo = f"ALTER TABLE {table.sql_name} FORCE ROW LEVEL SECURITY"
        remedy = f"Run {statement}, {_AGAIN} Afterwards, {undo} restores it."
    else:
        statement = f"ALTER ROLE {identifier(role)} BYPASSRLS"
        undo = f"ALTER ROLE {identifier(role)} NOBYPASSRLS"
        remedy = (
            f"Run migrate as a role that sees all rows; or let a superuser run {statement}, {_AGAIN} Afterwards,"
            f" {undo} restores it."
        )
    return Refusal(
        RefusalCode.ROW_LEVEL_SECURITY,
        table.name,
        table.name,
        f"expected to see all rows, found that row-level security hides some from the role {role}: {consequence}",
        remedy,
        (statement,),
    )


def parent_without_key(table: Table, columns: Sequence[str]) -> Refusal:
    names = ", ".join(identifier(column) for column in columns)
    statement = f"ALTER TABLE {table.sql_name} ADD UNIQUE ({names})"
    return Refusal(
        RefusalCode.PARENT_WITHOUT_KEY,
        table.name,
        table.name,
        f"expected a unique constraint on {names}, to which declared foreign keys point, found none.",
        f"Run {statement}, or make it the primary key, {_AGAIN}",
        (statement,),
    )


def _replaced(item: Difference) -> tuple[str, ...]:
    conflicting = item.conflicting if isinstance(item, IndexDifference | ConstraintDifference) else None
    return () if conflicting is None else (conflicting.name,)


def replica_identity(table: Table, item: Difference) -> Refusal:
    has_key = table.primary_key is not None and table.primary_key.name not in (item.name, *_replaced(item))
    statement = f"ALTER TABLE {table.sql_name} REPLICA IDENTITY {'DEFAULT' if has_key else 'FULL'}"
    chosen = "the primary key" if has_key else "all columns, for the table has no primary key to keep"
    return Refusal(
        RefusalCode.REPLICA_IDENTITY,
        table.name,
        item.name,
        f"expected {item.declared_text}, found {item.actual_text}, which is the table's replica identity. What is declared"
        " can't replace it as that, and without a replica identity UPDATE and DELETE fail on a published table.",
        f"Choose another replica identity ({statement} chooses {chosen}), {_AGAIN}",
        (statement,),
    )


# Privileges: without these, nothing is changed


def not_owner(table: Table, role: str) -> Refusal:
    statement = f"ALTER TABLE {table.sql_name} OWNER TO {identifier(role)}"
    return Refusal(
        RefusalCode.NOT_OWNER,
        table.name,
        table.name,
        f"expected the owner {role}, found {table.owner}: the table must be changed, and only its owner may do that.",
        f"Run migrate as {table.owner}; or, as a superuser, run {statement}, {_AGAIN}",
        (statement,),
        fatal=True,
    )


def owns_nothing(server: Server) -> Refusal:
    return Refusal(
        RefusalCode.NOT_OWNER,
        "django_migrations",
        "django_migrations",
        f"expected the owner of django_migrations, {server.history_owner}, found {server.role}, which owns none of the"
        " project's tables: some must be created or changed.",
        f"Run migrate as {server.history_owner}.",
        fatal=True,
    )


def not_owner_of_child(child: Table, parent: Table, role: str) -> Refusal:
    refusal = not_owner(child, role)
    return replace(
        refusal,
        reason=f"expected the owner {role}, found {child.owner}: the table inherits from {parent.name}, of which a column"
        " must be changed, and PostgreSQL changes it here as well.",
        remedy=f"As a superuser, run {refusal.statements[0]}, {_AGAIN}",
    )


def may_not_create(server: Server) -> Refusal:
    """Refuse to create in the project's schema; in another one than its own, advise to create its own instead."""
    schema = server.schema or ""
    statements: tuple[str, ...]
    if server.holds_project or schema == "public":
        statements = (f"GRANT CREATE ON SCHEMA {identifier(schema)} TO {identifier(server.role)}",)
        remedy = f"As the schema's owner or a superuser, run {statements[0]}, {_AGAIN}"
    else:
        statements = (f"CREATE SCHEMA {identifier(server.role)} AUTHORIZATION {identifier(server.role)}",)
        if "$user" not in server.path_names:
            statements = (*statements, _set_search_path(server, server.role))
        remedy = (
            f"Let this role have a schema of its own. {_AS_CREATOR} {'; '.join(statements)}; {_AGAIN} If this schema is to"
            " be the project's, let its owner grant CREATE on it instead."
        )
    return _may_not_create_in(schema, server.role, remedy, statements)


def may_not_create_in(schema: str, role: str) -> Refusal:
    """Refuse to create in another schema than the project's, which a table's name names."""
    statement = f"GRANT CREATE ON SCHEMA {identifier(schema)} TO {identifier(role)}"
    remedy = f"As the schema's owner or a superuser, run {statement}, {_AGAIN}"
    return _may_not_create_in(schema, role, remedy, (statement,))


def _may_not_create_in(schema: str, role: str, remedy: str, statements: tuple[str, ...]) -> Refusal:
    return Refusal(
        RefusalCode.MAY_NOT_CREATE,
        schema,
        schema,
        f"expected the privilege CREATE on this schema, which the role {role} lacks: tables, indexes or sequences must be"
        " created or renamed in it.",
        remedy,
        statements,
        fatal=True,
    )


def may_not_create_temporary(server: Server) -> Refusal:
    statement = f"GRANT TEMPORARY ON DATABASE {identifier(server.database)} TO {identifier(server.role)}"
    return Refusal(
        RefusalCode.MAY_NOT_CREATE,
        server.database,
        server.database,
        f"expected the privilege TEMPORARY on this database, which the role {server.role} lacks: the declared schema is"
        " read from temporary tables.",
        f"As the database's owner or a superuser, run {statement}, {_AGAIN}",
        (statement,),
        fatal=True,
    )


def may_not_use(schema: str, role: str, purpose: str) -> Refusal:
    """Refuse what requires a schema that the role may not use. `purpose` says what does."""
    statement = f"GRANT USAGE ON SCHEMA {identifier(schema)} TO {identifier(role)}"
    return Refusal(
        RefusalCode.MAY_NOT_USE,
        schema,
        schema,
        f"expected the privilege USAGE on this schema, which the role {role} lacks: {purpose}.",
        f"As the schema's owner or a superuser, run {statement}, {_AGAIN}",
        (statement,),
        fatal=True,
    )


def no_schema(server: Server, project_schemas: Sequence[str]) -> Refusal:
    """Refuse to run where tables would be created in no schema, or in PostgreSQL's own.

    `project_schemas` are the schemas that hold the project's tables, though the search path doesn't name them first.
    """
    found = f"{server.system_schema or 'none'} first on the search path ({server.search_path})"
    more = f" and {len(project_schemas) - _NAMED} more" if len(project_schemas) > _NAMED else ""
    holding = f"; {', '.join(project_schemas[:_NAMED])}{more} holds the project's tables" if project_schemas else ""
    remedy, statements = _schema_remedy(server, project_schemas)
    return Refusal(
        RefusalCode.NO_SCHEMA,
        server.database,
        server.database,
        f"expected a schema to create tables in, found {found}{holding}.",
        remedy,
        statements,
        fatal=True,
    )


def _schema_remedy(server: Server, project_schemas: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return a remedy, and its statements, after which the project's schema is first on the search path."""
    if len(project_schemas) > 1:
        example = _set_search_path(server, project_schemas[0])
        return f"Choose the schema that is this project's, and put it first on search_path ({example}), {_AGAIN}", ()
    named = [name for name in server.path_names if name != "$user"]
    if project_schemas:
        statements: tuple[str, ...] = (_set_search_path(server, project_schemas[0]),)
    elif server.system_schema or not named:
        name = named[0] if named else "public"
        statements = (f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}", _set_search_path(server, name))
    else:
        statements = (f"CREATE SCHEMA {identifier(named[0])} AUTHORIZATION {identifier(server.role)}",)
    if server.path_is_fixed and (project_schemas or len(statements) > 1):
        first = identifier(project_schemas[0] if project_schemas else named[0] if named else "public")
        return f"The connection's own options set search_path: put {first} first there, {_AGAIN}", ()
    if project_schemas:
        return f"Run {statements[0]}; {_AGAIN}", statements
    return f"{_AS_CREATOR} {'; '.join(statements)}; {_AGAIN}", statements


def _set_search_path(server: Server, first: str) -> str:
    """Return the statement that puts a schema first on this role's search path in this database."""
    path = ", ".join(identifier(name) for name in dict.fromkeys((first, *server.path_names)))
    return f"ALTER ROLE {identifier(server.role)} IN DATABASE {identifier(server.database)} SET search_path = {path}"


def read_only(server: Server) -> Refusal:
    role = f"ALTER ROLE {identifier(server.role)} IN DATABASE {identifier(server.database)}"
    statements = tuple(f"{prefix}SET default_transaction_read_only = off" for prefix in ("", f"{role} "))
    return Refusal(
        RefusalCode.READ_ONLY,
        server.database,
        server.database,
        f"expected transactions that may write, found read-only ones for the role {server.role}"
        " (default_transaction_read_only).",
        f"In one session, run {'; '.join(statements)}; {_AGAIN}",
        statements,
        fatal=True,
    )


def standby(server: Server) -> Refusal:
    return Refusal(
        RefusalCode.READ_ONLY,
        server.database,
        server.database,
        f"expected a primary server, found a read-only standby ({server.database}).",
        "Run this on its primary.",
        fatal=True,
    )


def may_not_reference(table: Table, role: str) -> Refusal:
    statement = f"GRANT REFERENCES ON {table.sql_name} TO {identifier(role)}"
    return Refusal(
        RefusalCode.MAY_NOT_REFERENCE,
        table.name,
        table.name,
        f"expected the privilege REFERENCES on this table, which the role {role} lacks: a declared foreign key points"
        " to it.",
        f"As the table's owner or a superuser, run {statement}, {_AGAIN}",
        (statement,),
        fatal=True,
    )


def may_not_write(table: Table, role: str, privileges: Sequence[str], purpose: str) -> Refusal:
    """Refuse what reads and changes the table's rows, for `purpose`, where the role lacks one of the `privileges`."""
    statement = f"GRANT {', '.join(privileges)} ON {table.sql_name} TO {identifier(role)}"
    lacking = " and ".join(privilege for privilege in privileges if privilege in table.missing_privileges)
    who = "As" if table.owned else f"Run migrate as {table.owner}; or, as"
    return Refusal(
        RefusalCode.MAY_NOT_WRITE,
        table.name,
        table.name,
        f"expected the privileges {' and '.join(privileges)} on this table, found that the role {role} lacks {lacking}:"
        f" {purpose}.",
        f"{who} the table's owner or a superuser, run {statement}, {_AGAIN}",
        (statement,),
        fatal=True,
    )


# Sequences: only what requires them isn't changed


def may_not_use_sequence(item: ColumnDifference, sequence: KeySequence, role: str) -> Refusal:
    grants = [f"GRANT USAGE, SELECT, UPDATE ON SEQUENCE {sequence.name} TO {identifier(role)}"]
    if not sequence.schema_usable:
        grants.insert(0, f"GRANT USAGE ON SCHEMA {identifier(sequence.schema)} TO {identifier(role)}")
    return Refusal(
        RefusalCode.MAY_NOT_USE_SEQUENCE,
        item.table,
        item.name,
        f"expected the privileges USAGE, SELECT and UPDATE on the sequence {sequence.name}, which generates its values or"
        f" did so, found that the role {role} lacks some: inserts may fail, or give keys that exist.",
        f"As the owner of the sequence, or as a superuser, run {'; '.join(grants)}, {_AGAIN}",
        tuple(grants),
    )


def sequence_of_another_owner(item: ColumnDifference, sequence: KeySequence, role: str) -> Refusal:
    statement = f"ALTER SEQUENCE {sequence.name} OWNER TO {identifier(role)}"
    return Refusal(
        RefusalCode.NOT_OWNER,
        item.table,
        item.name,
        f"expected that {sequence.name} generates {item.declared_text}, found {item.actual_text}: the sequence must be"
        f" altered, only its owner may do that, and the role {role} isn't its owner.",
        f"As a superuser, run {statement}, {_AGAIN}",
        (statement,),
    )


def sequence_at_end(table: Table, item: ColumnDifference, set_back: str) -> Refusal:
    return Refusal(
        RefusalCode.SEQUENCE_EXHAUSTED,
        table.name,
        item.name,
        f"expected {item.declared_text}, found {item.actual_text}: no row gets a key any more.",
        f"Set it back to the highest key of a row: {set_back}, {_AGAIN} Keys of rows that were deleted are given again then:"
        " they may be known elsewhere.",
        (set_back,),
    )


def keys_exhausted(table: Table, item: ColumnDifference, widen: str | None = None) -> Refusal:
    """Refuse a key whose type has no value left. `widen` is the statement that gives it a wider type, if there is one."""
    remedy = "If the highest keys were given by mistake, give these rows others"
    if widen is not None:
        remedy += (
            f". Else, while others use the table, {widen_command([item.subject.label])} makes the key bigint, and what"
            f" references it. Or when nobody does, run {widen}, which rewrites it under a lock that blocks readers, and"
            " widen the columns that reference it as well"
        )
    return Refusal(
        RefusalCode.SEQUENCE_EXHAUSTED,
        table.name,
        item.name,
        f"expected {item.declared_text}, found {item.actual_text}. Rows have the highest values of {item.actual.type}.",
        f"{remedy}, {_AGAIN}",
        () if widen is None else (widen,),
    )


# Functions


def function_rejected(item: RejectedFunction) -> Refusal:
    return Refusal(
        RefusalCode.FUNCTION_REJECTED,
        item.table,
        item.name,
        f"expected {item.declared_text}, found {item.actual_text}.",
        "Create what the message names (a type, a language), or correct database_functions in the AppConfig of the app that"
        f" is named, {_AGAIN}",
    )


def function_in_use(schema: str, item: FunctionDifference, found: Function) -> Refusal:
    """Refuse to replace a function of other parameters, which has to be dropped, since something depends on it."""
    rename = _rename_function(schema, found)
    return Refusal(
        RefusalCode.NAME_TAKEN,
        item.table,
        item.name,
        f"expected {_parameters(item.declared)}, found {_parameters(found)}. PostgreSQL doesn't change these, and can't drop"
        f" the function, since something depends on it: {found.needed_by}.",
        f"Rename it ({rename}), {_AGAIN} What depends on it then calls it by that name: let that call the new one, and drop"
        " this one.",
        (rename,),
    )


def _parameters(function: Function) -> str:
    parameters = ", ".join(function.parameters) or "none"
    return f"the parameters ({parameters}) with {function.defaults} defaults"


def _rename_function(schema: str, found: Function) -> str:
    return f"ALTER ROUTINE {found.sql_name(schema)} RENAME TO {identifier(free_name(found.name))}"


def function_name_taken(schema: str, item: FunctionDifference, found: Function) -> Refusal:
    statement = _rename_function(schema, found)
    return Refusal(
        RefusalCode.NAME_TAKEN,
        item.table,
        item.name,
        f"expected a function that returns {item.declared.result}, found one that returns {found.result}.",
        f"Rename or drop that one ({statement}), {_AGAIN}",
        (statement,),
    )


def function_of_another_owner(schema: str, item: FunctionDifference, found: Function, role: str) -> Refusal:
    statement = f"ALTER FUNCTION {found.sql_name(schema)} OWNER TO {identifier(role)}"
    return Refusal(
        RefusalCode.NOT_OWNER,
        item.table,
        item.name,
        f"expected {item.declared_text}, found {item.actual_text}: the function must be changed, only its owner may do that,"
        f" and {found.owner} is its owner.",
        f"Run migrate as {found.owner}, or as a superuser run {statement}, {_AGAIN}",
        (statement,),
    )


# Columns


@dataclass(frozen=True, slots=True)
class TypeRemedy:
    """How a column gets its declared type. `statement` is None where there is no conversion, or where the objects that are
    `in_the_way` can't be created again after it; `recreated` are those that can. `hint` is what a person has to know,
    `online` the command that does it beside the application, where there is one.
    """

    statement: str | None
    possible: bool
    recreated: tuple[str, ...]
    in_the_way: tuple[str, ...]
    hint: str
    misfits: RefusedRows | None
    online: str = ""


def column_type(table: Table, item: ColumnDifference, cost: str, remedy: TypeRemedy) -> Refusal:
    return Refusal(
        RefusalCode.COLUMN_TYPE,
        table.name,
        item.name,
        f"expected {item.declared_text}, found {item.actual_text}. Converting it isn't online: {cost}",
        _type_remedy(remedy),
        () if remedy.statement is None else (remedy.statement,),
        rows=remedy.misfits,
    )


def _type_remedy(remedy: TypeRemedy) -> str:
    if not remedy.possible:
        return (
            "No conversion between these types is sure to keep every value. Add a column of the declared type (ALTER TABLE),"
            f" fill it from this one, give this one another name and the new one its name, {_AGAIN}"
        )
    if remedy.in_the_way:
        return (
            f"These depend on the column, and may not hold for the declared type: {', '.join(remedy.in_the_way)}. Drop them"
            f" (give columns of other tables another type instead), {_AGAIN} It then tells the ALTER TABLE that converts"
            " the column. Create them anew afterwards."
        )
    parts = [remedy.hint] if remedy.hint else []
    if remedy.recreated:
        parts.append(
            f"The statement drops and creates again what depends on the column: {', '.join(remedy.recreated)}. Where one of"
            " these doesn't hold for the new type, it fails, and nothing is changed: then drop that one, and write it anew."
            " If they aren't all of one owner, a superuser has to run it."
        )
    if remedy.online:
        parts.append(
            f"While others use the table, {remedy.online} converts it, and what references it. Or when nobody does:"
        )
    return " ".join([*parts, f"After a backup, run:\n{remedy.statement}\n{_AGAIN.capitalize()}"])


def widen_command(labels: Sequence[str]) -> str:
    return f"manage.py widen_keys {shlex.join(labels)}"


def widening_blocked(table: Table, columns: Sequence[str], obstacles: Sequence[Obstacle], command: str) -> Refusal:
    """Refuse to replace columns by bigint ones where new columns can't have all that these have."""
    removals = [obstacle.removal for obstacle in obstacles if obstacle.removal]
    how = f": {'; '.join(removals)}" if removals else ""
    return Refusal(
        RefusalCode.WIDENING_BLOCKED,
        table.name,
        ", ".join(columns),
        "expected that new columns can take over all that is on these, found what they can't:"
        f" {', '.join(obstacle.name for obstacle in obstacles)}.",
        f"Remove or disable that while the columns are replaced{how}. Run {command} again, then restore it.",
        fatal=True,
    )


def renamed_column(table: Table, item: MissingColumn) -> Refusal:
    """Refuse to add a column that may only have been renamed. Its statements are empty where it isn't known from what."""
    column, candidates = item.declared, item.candidates
    renames = tuple(
        f"ALTER TABLE {table.sql_name} RENAME COLUMN {identifier(name)} TO {identifier(item.name)}"
        for name in candidates
    )
    has_value = column.default is not None and not column.default_volatile
    definition = column.definition if has_value or column.identity else column.storage_definition
    add = f"ALTER TABLE {table.sql_name} ADD COLUMN {identifier(item.name)} {definition}"
    values = "" if has_value or column.backfill_value or column.identity else " and set its values"
    has = "has" if len(candidates) == 1 else "have"
    rivals = f" It may be another missing column of that type as well: {', '.join(item.rivals)}." if item.rivals else ""
    return Refusal(
        RefusalCode.RENAMED_COLUMN,
        table.name,
        item.name,
        f"the column is missing, and {', '.join(candidates)}, which no model and no migration ever declared, {has} exactly"
        f" its type, {column.storage_definition} NOT NULL: it may have been renamed.{rivals}",
        f"If it was, run {', or '.join(renames)}. If it wasn't, run {add}{values}. {_AGAIN.capitalize()}",
        renames if len(renames) == 1 and not item.rivals else (),
    )


def column_needs_rewrite(table: Table, column: Column, clause: str) -> Refusal:
    statement = f"ALTER TABLE {table.sql_name} {clause}"
    return Refusal(
        RefusalCode.COLUMN_NEEDS_REWRITE,
        table.name,
        column.name,
        f"the column is missing, the table has {{rows}}, and adding it ({column.definition}) rewrites them all under a"
        " lock that blocks readers.",
        f"When the table isn't in use, run: {statement}",
        (statement,),
    )


def column_without_value(table: Table, column: Column) -> Refusal:
    statement = f"ALTER TABLE {table.sql_name} ADD COLUMN {identifier(column.name)} {column.storage_definition}"
    return Refusal(
        RefusalCode.COLUMN_WITHOUT_VALUE,
        table.name,
        column.name,
        f"the column is missing, it is declared {column.definition} {_without_default(column)}, and the table has {{rows}},"
        " for which there is no value.",
        f"Add the column ({statement}), set a value of your own in every row, {_AGAIN}",
        (statement,),
    )


def _without_default(column: Column) -> str:
    if column.python_default_error:
        return f"with a default in Python that failed: {column.python_default_error}"
    return "without a default"


def unknown_to_django(table: Table, column: Column) -> Refusal:
    """Refuse to begin where rows that Django adds would be rejected: it only names the columns that it declares."""
    statement = _drop_not_null(table.schema, table.name, column.name)
    return Refusal(
        RefusalCode.COLUMN_WITHOUT_VALUE,
        table.name,
        column.name,
        f"expected that Django can add rows to its own table, found a column that it doesn't know, {column.type} NOT NULL"
        " without a default.",
        f"Give the column a default, or run {statement}, as the table's owner or as a superuser, {_AGAIN}",
        (statement,),
        fatal=True,
    )


def _drop_not_null(schema: str, table: str, column: str) -> str:
    return f"ALTER TABLE {identifier(schema, table)} ALTER COLUMN {identifier(column)} DROP NOT NULL"


def nulls_without_default(table: Table, column: Column) -> Refusal:
    name = identifier(column.name)
    return Refusal(
        RefusalCode.NULLS_WITHOUT_DEFAULT,
        table.name,
        column.name,
        f"{{rows}} NULL in a column that is declared NOT NULL {_without_default(column)} ({{keys}}).",
        f"Set a value, then run migrate again: UPDATE {table.sql_name} SET {name} = … WHERE {name} IS NULL",
    )


def nulls_kept(table: Table, column: Column, backfill: Backfill) -> Refusal:
    """Refuse NULLs that are there after a backfill: what isn't changed fires no AFTER trigger, so none of them is known."""
    triggers = [trigger for trigger in backfill.triggers if not trigger.declared]
    statements: tuple[str, ...] = ()
    remedy = f"Find what sets it to NULL again, and stop that, {_AGAIN}"
    if triggers:
        remedy, statements = _while_disabled(triggers, backfill)
    return Refusal(
        RefusalCode.NULLS_KEPT,
        table.name,
        column.name,
        "{rows} NULL in a column that is declared NOT NULL, and remained so when it was set to its default ({keys}).",
        remedy,
        statements,
    )


def trigger_changes_rows(
    step: Step, columns: Sequence[str], changing: Sequence[UpdateTrigger], part: Backfill
) -> Refusal:
    """Refuse a backfill whose UPDATE fires triggers that change the rows otherwise: those that are `changing`.

    The others of the same `part` were fired as well, and didn't. What wasn't fired isn't known, and is disabled, too.
    """
    backfill = _backfill(step)
    changing = _suspects(changing)
    harmless = [trigger for trigger in part.triggers if trigger not in changing and not trigger.declared]
    disabled = [trigger for trigger in _suspects(backfill.triggers) if trigger not in harmless]
    some = "the" if len(changing) == 1 else "one or more of the"
    changed = f"would change {', '.join(columns)}" if columns else "would change the rows again"
    remedy, statements = _while_disabled(disabled, backfill)
    kept = f" It fires the {_named(harmless)}, which changed nothing else in the first rows." if harmless else ""
    return Refusal(
        RefusalCode.TRIGGER_CHANGES_ROWS,
        step.table,
        unquoted(backfill.column),
        f"expected that to {step.reason.removesuffix(_BATCHED)} changes nothing else, found that {some}"
        f" {_named(changing)} {changed}. The batch was rolled back.",
        f"{remedy}{kept}",
        statements,
    )


def append_only(table: Table, column: Column, found: str) -> Refusal:
    """Refuse to change rows that are never changed; `found` says which, with {rows} for their number."""
    return Refusal(
        RefusalCode.APPEND_ONLY,
        table.name,
        column.name,
        f"expected {column.definition}, {found}, and the table is append-only: its rows are never changed.",
        "Let the column be NULL in the model, with a migration, then run migrate again. These rows can't be changed while"
        " the table's triggers stand.",
    )


def trigger_changes_other_rows(step: Step, tables: Sequence[str]) -> Refusal:
    """Refuse a backfill whose UPDATE fires triggers that change or delete rows of `tables` that it doesn't."""
    backfill = _backfill(step)
    triggers = _suspects(backfill.triggers)
    remedy, statements = _while_disabled(triggers, backfill)
    return Refusal(
        RefusalCode.TRIGGER_CHANGES_ROWS,
        step.table,
        unquoted(backfill.column),
        f"expected that to {step.reason.removesuffix(_BATCHED)} changes nothing else, found that other rows of"
        f" {', '.join(tables)} would be changed or deleted, by the {_named(triggers)}. The batch was rolled back.",
        f"{remedy} What they would do to those other rows is left to you.",
        statements,
    )


def _suspects(triggers: Sequence[UpdateTrigger]) -> Sequence[UpdateTrigger]:
    """Return those of `triggers` that no model declares; all of them where models declare each."""
    return [trigger for trigger in triggers if not trigger.declared] or triggers


def _while_disabled(triggers: Sequence[UpdateTrigger], backfill: Backfill) -> tuple[str, tuple[str, ...]]:
    """Return a remedy, and its statements, that runs the backfill's UPDATE while triggers are disabled."""
    statements = (
        *(trigger.disable for trigger in triggers),
        backfill.update,
        *(trigger.enable for trigger in reversed(triggers)),
    )
    remedy = (
        f"Set it with the {_named(triggers)} disabled: {'; '.join(statements)}. What is disabled isn't fired by this change,"
        " nor meanwhile by other sessions, unless you run these in one transaction, which makes writers wait."
        f" {_AGAIN.capitalize()}"
    )
    return remedy, statements


def _backfill(step: Step) -> Backfill:
    assert step.backfill is not None  # only backfills are checked for what triggers do  # noqa: S101
    return step.backfill


def _named(triggers: Sequence[UpdateTrigger]) -> str:
    return " and ".join(f"{'rule' if trigger.rule else 'trigger'} {trigger.name}" for trigger in triggers)


# Keys, foreign keys and checks


@dataclass(frozen=True, slots=True)
class KeyRemedy:
    """How a table gets its declared primary key.

    There is no statement where something is `in_the_way` that can't be created again, or where columns are missing.
    """

    statement: str | None
    in_the_way: tuple[str, ...]
    missing_columns: tuple[str, ...]
    duplicates: RefusedRows


def constraint_needs_lock(table: Table, declared: Constraint, clause: str) -> Refusal:
    statement = f"ALTER TABLE {table.sql_name} {clause}"
    return Refusal(
        RefusalCode.CONSTRAINT_NEEDS_LOCK,
        table.name,
        declared.name,
        f"the constraint {declared.sql} is missing, the table has {{rows}}, and adding it locks the table while its index"
        " is built.",
        f"When the table isn't in use, run: {statement}",
        (statement,),
    )


def other_primary_key(table: Table, item: ConstraintDifference, conflicting: Constraint, remedy: KeyRemedy) -> Refusal:
    found = f"found {conflicting.name}: {conflicting.sql}, and a table has one primary key."
    if remedy.missing_columns:
        what_to_do = (
            f"It needs {', '.join(remedy.missing_columns)}, which is missing: add or rename that first, {_AGAIN}"
        )
    elif remedy.in_the_way:
        what_to_do = (
            f"These depend on it: {', '.join(remedy.in_the_way)}. Drop them, {_AGAIN} Create them anew afterwards."
        )
    else:
        what_to_do = (
            f"When the table isn't in use, run:\n{remedy.statement}\nThe found key stays, as a UNIQUE constraint, with what"
            " depends on it: drop it once nobody needs it. If that isn't all of one owner, a superuser has to run it."
            f" {_AGAIN.capitalize()}"
        )
    return Refusal(
        RefusalCode.OTHER_KEY,
        table.name,
        item.name,
        f"expected {item.declared_text}, {found}",
        what_to_do,
        () if remedy.statement is None else (remedy.statement,),
        rows=remedy.duplicates,
    )


def other_kind(table: Table, item: ConstraintDifference, conflicting: Constraint) -> Refusal:
    """Refuse a constraint whose name a constraint of another kind has, or one that can't be replaced online."""
    new_name = identifier(free_name(conflicting.name))
    statement = f"ALTER TABLE {table.sql_name} RENAME CONSTRAINT {identifier(conflicting.name)} TO {new_name}"
    return Refusal(
        RefusalCode.OTHER_KEY,
        table.name,
        item.name,
        f"expected {item.declared_text}, found {conflicting.name}: {conflicting.sql}. Something may depend on that one.",
        f"If nothing does, drop it, else rename it ({statement}), {_AGAIN}",
        (statement,),
    )


def duplicates(table: Table, name: str) -> Refusal:
    return Refusal(
        RefusalCode.DUPLICATES,
        table.name,
        name,
        "{rows} more than once in columns that must be unique ({keys}).",
        f"Decide which of the rows to keep, change or remove the others, {_AGAIN}",
    )


def orphan_rows(table: Table, constraint: Constraint, parent: str) -> Refusal:
    return Refusal(
        RefusalCode.ORPHAN_ROWS,
        table.name,
        constraint.name,
        f"{{rows}} by {', '.join(constraint.columns)} to rows of {ObjectReference(parent, parent).label} that don't exist"
        " ({keys}). Until that is"
        " corrected, the foreign key is NOT VALID: it only rejects new ones.",
        f"Restore the missing rows, or correct or remove these, {_AGAIN}",
    )


def check_violations(table: Table, constraint: Constraint, expression: str) -> Refusal:
    return Refusal(
        RefusalCode.CHECK_VIOLATIONS,
        table.name,
        constraint.name,
        f"{{rows}} {expression} ({{keys}}). Until that is corrected, the constraint is NOT VALID: it only rejects new"
        " ones.",
        f"Correct these rows, {_AGAIN}",
    )


# Names


def free_name(name: str) -> str:
    """Return another name for what has a declared one."""
    return with_suffix(name, _UNDECLARED)


def index_name_taken(table: str, name: str, owner: Relation) -> Refusal:
    of = f" of the table {ObjectReference(owner.table, owner.table).label}" if owner.table else ""
    kind = "TYPE" if owner.kind is RelationKind.COMPOSITE_TYPE else "TABLE"
    kind = "INDEX" if owner.table else kind
    statement = f"ALTER {kind} {identifier(owner.schema, name)} RENAME TO {identifier(free_name(name))}"
    return Refusal(
        RefusalCode.NAME_TAKEN,
        table,
        name,
        f"expected an index or constraint of this name, found {owner.kind.label}{of} of the same name.",
        f"Rename or drop that one ({statement}), as its owner or as a superuser, {_AGAIN}",
        (statement,),
    )


def index_in_use(item: IndexDifference, schema: str) -> Refusal:
    """Refuse to replace the index that has the declared name, since something undeclared depends on it."""
    conflicting = item.conflicting
    assert conflicting is not None  # it has the declared name  # noqa: S101
    new_name = identifier(free_name(conflicting.constraint or item.name))
    if conflicting.constraint:
        found = f"the index of the constraint {conflicting.constraint} ({conflicting.sql}), which no model declares"
        table = table_sql_name(schema, item.table)
        rename = f"ALTER TABLE {table} RENAME CONSTRAINT {identifier(conflicting.constraint)} TO {new_name}"
    else:
        found = f"another ({conflicting.sql}), on which something depends: {conflicting.needed_by}"
        rename = f"ALTER INDEX {identifier(schema, item.name)} RENAME TO {new_name}"
    return Refusal(
        RefusalCode.NAME_TAKEN,
        item.table,
        item.name,
        f"expected the index {item.declared_text}, found {found}.",
        f"Rename or drop it ({rename}), as the table's owner or as a superuser, {_AGAIN}",
        (rename,),
    )


def constraint_name_taken(table: Table, item: Difference, what: str, name: str) -> Refusal:
    statement = f"ALTER TABLE {table.sql_name} RENAME CONSTRAINT {identifier(name)} TO {identifier(free_name(name))}"
    return Refusal(
        RefusalCode.NAME_TAKEN,
        table.name,
        item.name,
        f"expected {what} to be named {name}, found it {item.actual_text}, while another constraint of this table"
        f" ({table.constraint_name_owner(name)}) has its name.",
        f"Rename that one ({statement}), {_AGAIN}",
        (statement,),
    )


# Failures while a plan is run


def locked(step: Step, budget: float, sessions: str) -> Refusal:
    """Refuse a step that waited for others in vain, for `budget` seconds. `sessions` says who is in the way, if known."""
    return Refusal(
        RefusalCode.LOCKED,
        step.table,
        step.table,
        f"expected the lock {step.lock} within {budget:g} s, to {step.reason}, found in the way:"
        f" {sessions or 'no session or prepared transaction any more'}.",
        "Wait until these sessions end, or end them (SELECT pg_terminate_backend(pid), as their own role or as a superuser;"
        " a prepared transaction by the command that is shown; not an autovacuum that prevents wraparound, which would"
        f" begin again), {_AGAIN}",
    )


def statement_failed(step: Step, name: str, message: str, sqlstate: str, *, by_triggers: bool = False) -> Refusal:
    """Refuse what a step failed at. With `by_triggers`, what it fires did, if that is anything."""
    statements: tuple[str, ...] = ()
    remedy = f"Resolve the cause that the message names, {_AGAIN}"
    if by_triggers and step.backfill is not None and step.backfill.triggers:
        remedy, statements = _while_disabled(_suspects(step.backfill.triggers), step.backfill)
    return Refusal(
        RefusalCode.STATEMENT_FAILED,
        step.table,
        name,
        f"PostgreSQL refused to {step.reason}: {message} (SQLSTATE {sqlstate}) in: {step.sql}",
        remedy,
        statements,
    )


def django_failed(what: str, message: str, sqlstate: str, failed_at: tuple[str, str, str]) -> Refusal:
    """Refuse what Django's own statements tried. `failed_at` are schema, table and column, if the server says so."""
    schema, table, column = failed_at
    statements: tuple[str, ...] = ()
    remedy = f"Resolve the cause that the message names, {_AGAIN} --traceback shows where the error occurred."
    if sqlstate == NOT_NULL_VIOLATION and table and column:
        # Django names all columns that it declares: this is one that it doesn't know.
        statements = (_drop_not_null(schema, table, column),)
        remedy = f"Give the column a default, or run {statements[0]}, {_AGAIN}"
    return Refusal(
        RefusalCode.STATEMENT_FAILED,
        table or _DJANGO,
        column or table or _DJANGO,
        f"PostgreSQL refused to let Django {what}: {message} (SQLSTATE {sqlstate}).",
        remedy,
        statements,
    )


def not_comparable(database: str, found: str) -> Refusal:
    """Refuse to compare the schema of a database that PostgreSQL doesn't let this role read."""
    return Refusal(
        RefusalCode.STATEMENT_FAILED,
        database,
        database,
        f"expected to read the schema, found: {found}",
        f"Nothing was changed. Resolve the cause that the message names, {_AGAIN}",
        fatal=True,
    )


# Extensions


def create_extension(name: str) -> str:
    return f"CREATE EXTENSION {identifier(name)}"


def extension_missing(name: str, error: str) -> Refusal:
    statement = create_extension(name)
    return Refusal(
        RefusalCode.EXTENSION_MISSING,
        name,
        name,
        f"expected this extension, which a recorded migration created, found none, and it can't be created: {error}.",
        f"Install it on the server, if it isn't, and run {statement} as a superuser, {_AGAIN}",
        (statement,),
    )


# The migration history


def unrecorded_migrations(label: str, found: Sequence[str], statements: tuple[str, ...]) -> Refusal:
    return _history_lost(
        label,
        "not all of its migrations are recorded, but its tables exist, and differ from what its migrations create",
        found,
        f"Alter them to match one of its migrations, then record it: manage.py migrate {label} NAME --fake.",
        statements,
    )


def unrecorded_dependencies(label: str, found: Sequence[str], statements: tuple[str, ...]) -> Refusal:
    return _history_lost(
        label,
        "recorded migrations depend on migrations of it that aren't recorded, and its tables differ from what these create",
        found,
        "Restore its tables, perhaps from a backup, then run migrate again, which records its migrations.",
        statements,
    )


def _history_lost(label: str, what: str, found: Sequence[str], remedy: str, statements: tuple[str, ...]) -> Refusal:
    """`statements` record the migrations, where `migrate` then repairs the tables, as far as that can be done."""
    if statements:
        remedy += f" Or let migrate repair them as if it had run its migrations: run {'; '.join(statements)}, {_AGAIN}"
    return Refusal(RefusalCode.HISTORY_LOST, label, label, f"{what} ({'; '.join(found)}).", remedy, statements)
