"""The migration history, django_migrations: which apps are reconciled, and which migrations were run but aren't recorded.

Migrations that only reconcile can be run again over existing tables. Others can't: CreateModel fails where its table exists.
So migrations of that kind are recorded if the tables are as they leave them, or can be repaired to be that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddIndex, CreateModel, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ModelState, ProjectState

from .command_context import CommandContext
from .comparison.differences import Kind, Undeclared, UndeclaredKind
from .conf import Budgets, configured_apps, ignored_labels
from .django_access import access_refusals, require_readable_history
from .extensions import extension_refusals
from .migration_files import labels_with_reconcile_schema, migrated_labels, reconciles
from .pipeline import Forecast, Inspection, forecast, inspect, read_declared
from .planning import refusals
from .planning.plan import Note, NoteCode, Refusal, RefusalCode
from .schema.introspection import read_server, tables_elsewhere
from .schema.model import ObjectReference, Schema, Server, TablePlace, literal
from .sqlstates import SCHEMA_IS_BEHIND, sqlstate

#: An app's label and the name of one of its migrations.
MigrationKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class UnrecordedMigrations:
    """Migrations that aren't recorded, though tables or other records show that they were run.

    `consistent` are to be recorded, and `notes` say why; `refusals` name the apps whose tables contradict their migrations.
    """

    consistent: tuple[MigrationKey, ...]
    notes: tuple[Note, ...]
    refusals: tuple[Refusal, ...]


# Which apps are reconciled


def reconciled_labels() -> frozenset[str]:
    """Return the labels of the apps whose tables are kept as declared.

    These are the apps that have ReconcileSchema in a migration, and those of RECONCILIATION["apps"]: more labels, or "*" for
    every installed app that has migrations. Raises ImproperlyConfigured where the setting names an app that isn't installed.
    """
    configured = _configured_labels()
    return migrated_labels() if configured is None else labels_with_reconcile_schema() | configured


def require_valid_setting() -> None:
    """Raise ImproperlyConfigured where RECONCILIATION has unknown keys, wrong values, or labels of no installed app."""
    Budgets.from_settings()
    _configured_labels()
    ignored_labels()


def _configured_labels() -> frozenset[str] | None:
    configured = configured_apps()
    unknown = sorted((configured or set()) - {config.label for config in apps.get_app_configs()})
    if unknown:
        raise ImproperlyConfigured(
            f'RECONCILIATION["apps"]: expected labels of installed apps, found {", ".join(unknown)}.'
        )
    return configured


def apps_that_only_reconcile(labels: Iterable[str], migrations: Iterable[Migration]) -> set[str]:
    """Return the `labels` of apps all of whose `migrations` do nothing but reconcile, so that one reconciliation does it."""
    with_other_operations = {
        migration.app_label for migration in migrations if not all(map(reconciles, migration.operations))
    }
    return set(labels) - with_other_operations


def declared_by_migrations(connection: BaseDatabaseWrapper) -> tuple[Server, Schema]:
    """Return the server, and what the last migrations of all reconciled apps declare."""
    return read_declared(connection, MigrationLoader(None).project_state().apps, sorted(reconciled_labels()))


def declared_without_pending_operations(connection: BaseDatabaseWrapper) -> tuple[Server, Schema]:
    """Return the server, and what a reconciliation can make: what the last migrations of all reconciled apps declare.

    Of apps with pending migrations that do anything else than reconcile, it is what the recorded migrations declare: only
    `migrate` can run those operations, and it fails where the result is there already. Where the history can't be read, it
    is what all last migrations declare: history_refusals() has the reason. Raises Refused where this role can't read it.
    """
    require_readable_history(connection)
    try:
        loader = MigrationLoader(connection)
    except Error as error:
        if sqlstate(error) not in SCHEMA_IS_BEHIND:
            raise
        return declared_by_migrations(connection)
    labels = reconciled_labels()
    latest = apps_that_only_reconcile(labels, _pending(loader))
    server, declared = read_declared(connection, loader.project_state().apps, sorted(latest))
    if latest == labels:
        return server, declared
    recorded = [key for key in loader.applied_migrations if key in loader.graph.nodes]
    # With the recorded migrations, the state has all on which they depend.
    others = {label for label, _ in recorded} & labels - latest - {label for label, _ in _missing_dependencies(loader)}
    _, earlier = read_declared(connection, loader.project_state(recorded).apps, sorted(others))
    return server, declared.merged_with(earlier)


def _pending(loader: MigrationLoader) -> list[Migration]:
    return [migration for key, migration in loader.graph.nodes.items() if key not in loader.applied_migrations]


# Unrecorded migrations


#: Differences in nothing but a name.
_NAMES = (Kind.INDEX_NAME, Kind.CONSTRAINT_NAME, Kind.COLUMN_NOT_NULL_NAME, Kind.TRIGGER_NAME)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """The tables of an app, compared with what the first `count` of its migrations declare.

    `ahead` are the objects that only others of its migrations declare, and that exist.
    """

    count: int
    inspection: Inspection
    ahead: int

    @property
    def contradictions(self) -> list[str]:
        """How the tables differ from what the migrations create."""
        differences = self.inspection.differences
        return [
            *(f"{d.table}.{d.name}: expected {d.declared_text}, found {d.actual_text}" for d in differences.items),
            *(f"{u.table}.{u.name}: {u.warning}" for u in differences.undeclared if _contradicts_history(u)),
        ]

    def is_consistent(self, *, repaired: bool) -> bool:
        """Whether the migrations made the tables. With `repaired`, the tables may differ as far as that can be repaired.

        What PostgreSQL named keeps its name where migrations rename tables and columns.
        """
        if self.ahead or any(map(_contradicts_history, self.inspection.differences.undeclared)):
            return False
        named_otherwise = all(item.kind in _NAMES for item in self.inspection.differences.items)
        return named_otherwise or (repaired and not self.inspection.plan.refusals)


def _contradicts_history(undeclared: Undeclared) -> bool:
    """Whether an undeclared object shows that other migrations made its table; what only depends on the table doesn't.

    Nor does a constraint: what it is warned of are rows.
    """
    is_shape = not undeclared.kind.is_dependent and undeclared.kind is not UndeclaredKind.CONSTRAINT
    return bool(undeclared.warning) and is_shape


def find_unrecorded_apps(
    connection: BaseDatabaseWrapper, loader: MigrationLoader, budgets: Budgets
) -> UnrecordedMigrations:
    """Return the pending migrations whose tables exist, of the apps whose migrations can't be run again."""
    migrations: list[MigrationKey] = []
    notes, refused = [], []
    for label in _pending_apps_with_tables(connection, loader):
        own = _own_migrations(loader, label)
        first = next(number for number, key in enumerate(own) if key not in loader.applied_migrations)
        if any(key in loader.applied_migrations for key in own[first:]):
            continue  # a later one is recorded: see find_unrecorded_dependencies()
        candidate = _best_candidate(connection, loader, own, first, budgets)
        found = own[first : candidate.count]
        if candidate.count == first and not candidate.ahead:
            continue
        if found and candidate.is_consistent(repaired=label in reconciled_labels()):
            migrations += found
            text = f"recorded its migrations ({len(found)}) as applied, since its tables exist already."
            notes.append(_recorded_note(label, label, text))
        else:
            last = _Candidate(len(own), inspect(connection, *_declared_by(connection, loader, label, own), budgets), 0)
            statements = _recording_statements(own[first:])
            refused.append(refusals.unrecorded_migrations(label, last.contradictions, statements))
    return UnrecordedMigrations(tuple(migrations), tuple(notes), tuple(refused))


def _pending_apps_with_tables(connection: BaseDatabaseWrapper, loader: MigrationLoader) -> list[str]:
    """Return the labels of the apps with pending migrations that can't be run again, and with tables."""
    pending = {migration.app_label for migration in _pending(loader)} - labels_with_reconcile_schema()
    tables = {
        TablePlace.of(model._meta.db_table): label
        for label in pending
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
        if model._meta.can_migrate(connection) and router.allow_migrate_model(connection.alias, model)
    }
    if not tables:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT * FROM unnest(%s::text[], %s::text[]) AS t(schema, name)
            WHERE EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                          WHERE c.relname = t.name AND n.nspname = coalesce(nullif(t.schema, ''), current_schema()))
            """,
            [list(part) for part in zip(*tables, strict=True)],
        )
        return sorted({tables[TablePlace(*row)] for row in cursor.fetchall()})


def _own_migrations(loader: MigrationLoader, label: str) -> list[MigrationKey]:
    """Return the app's migrations in the order in which they run."""
    plans = [loader.graph.forwards_plan(leaf) for leaf in loader.graph.leaf_nodes(label)]
    return list(dict.fromkeys(key for plan in plans for key in plan if key[0] == label))


def _best_candidate(
    connection: BaseDatabaseWrapper, loader: MigrationLoader, own: Sequence[MigrationKey], first: int, budgets: Budgets
) -> _Candidate:
    """Return how many of the app's migrations were run, by its tables, if at least the `first` ones were.

    No object may be ahead of the migrations, since the pending ones would fail where they create it, and as little as
    possible may differ. Where that doesn't distinguish migrations, no more are taken to be run than the tables show, unless
    no record is left and the tables are as the last migration leaves them.
    """
    label = own[0][0]
    inspections = {
        count: inspect(connection, *_declared_by(connection, loader, label, own[:count]), budgets)
        for count in range(len(own), first - 1, -1)
    }
    declared = {key for inspection in inspections.values() for key in _objects(inspection.declared)}
    actual = {key for inspection in inspections.values() for key in _objects(inspection.differences.actual)}
    candidates = [
        _Candidate(count, inspection, len((declared & actual) - _objects(inspection.declared)))
        for count, inspection in inspections.items()
    ]
    least = min(map(_distance, candidates))
    best = [candidate for candidate in candidates if _distance(candidate) == least]
    return best[0] if first == 0 and best[0].count == len(own) else best[-1]


def _distance(candidate: _Candidate) -> tuple[int, int]:
    return candidate.ahead, len(candidate.inspection.differences)


def _objects(schema: Schema) -> set[ObjectReference]:
    """Return the tables and columns."""
    return {
        ObjectReference(table.name, name) for table in schema.tables.values() for name in (table.name, *table.columns)
    }


def _declared_by(
    connection: BaseDatabaseWrapper, loader: MigrationLoader, label: str, migrations: Sequence[MigrationKey]
) -> tuple[Server, Schema]:
    """Return the server, and what the app's first `migrations` declare."""
    return read_declared(connection, loader.project_state(list(migrations)).apps, [label])


def find_unrecorded_dependencies(
    connection: BaseDatabaseWrapper, loader: MigrationLoader, budgets: Budgets
) -> UnrecordedMigrations:
    """Return the unrecorded migrations on which recorded ones depend.

    Those of apps with ReconcileSchema count as consistent: their tables are reconciled afterwards.
    """
    missing = _missing_dependencies(loader)
    consistent: list[MigrationKey] = []
    refused = []
    for label in sorted({label for label, _ in missing}):
        own = [key for key in _own_migrations(loader, label) if key in missing]
        refusal = _dependency_refusal(connection, loader, own, budgets)
        if refusal is None:
            consistent += own
        else:
            refused.append(refusal)
    text = "recorded as applied, since recorded migrations depend on it."
    notes = tuple(_recorded_note(label, name, text) for label, name in consistent)
    return UnrecordedMigrations(tuple(consistent), notes, tuple(refused))


def _missing_dependencies(loader: MigrationLoader) -> set[MigrationKey]:
    return {
        dependency
        for key in loader.applied_migrations
        if key in loader.graph.nodes
        for dependency in loader.graph.forwards_plan(key)
        if dependency not in loader.applied_migrations
    }


def _dependency_refusal(
    connection: BaseDatabaseWrapper, loader: MigrationLoader, missing: Sequence[MigrationKey], budgets: Budgets
) -> Refusal | None:
    """Return the refusal to record the app's migrations `missing`, if its tables contradict them."""
    label = missing[0][0]
    own = _own_migrations(loader, label)
    last = max(own.index(key) for key in missing)
    if label in labels_with_reconcile_schema() or any(key in loader.applied_migrations for key in own[last:]):
        return None
    first = next(number for number, key in enumerate(own) if key not in loader.applied_migrations)
    candidate = _best_candidate(connection, loader, own, first, budgets)
    if candidate.count > last and candidate.is_consistent(repaired=label in reconciled_labels()):
        return None
    expected = inspect(connection, *_declared_by(connection, loader, label, own[: last + 1]), budgets)
    contradictions = _Candidate(last + 1, expected, 0).contradictions
    return refusals.unrecorded_dependencies(label, contradictions, _recording_statements(missing))


def history_refusals(connection: BaseDatabaseWrapper, budgets: Budgets) -> tuple[Refusal, ...]:
    """Return what `migrate` would refuse now about the history. Nothing is changed."""
    if of_tables := access_refusals(connection) or _history_table_refusals(connection, budgets):
        return of_tables
    loader = MigrationLoader(connection)
    of_apps = find_unrecorded_apps(connection, loader, budgets)
    recorded = set(of_apps.consistent)
    dependencies = find_unrecorded_dependencies(connection, loader, budgets)
    refused = {refusal.table for refusal in of_apps.refusals} | {label for label, _ in recorded}
    pending = _to_be_run(loader, recorded | set(dependencies.consistent))
    return (
        *of_apps.refusals,
        *(refusal for refusal in dependencies.refusals if refusal.table not in refused),
        *creation_refusals(connection, pending),
        *_refused_on_the_way(connection, pending),
    )


def _to_be_run(loader: MigrationLoader, recorded: set[MigrationKey]) -> list[Migration]:
    """Return the pending migrations, but for those that will be `recorded` instead."""
    return [migration for migration in _pending(loader) if (migration.app_label, migration.name) not in recorded]


def creation_refusals(connection: BaseDatabaseWrapper, migrations: Iterable[Migration]) -> tuple[Refusal, ...]:
    """Return the refusals of migrations whose own operations create tables or indexes.

    This role may not, or a table is filled in another schema of the search path. Other apps are repaired all the same.
    """
    operations = [(migration.app_label, operation) for migration in migrations for operation in migration.operations]
    tables = _created_tables(connection, operations)
    if not tables and not any(isinstance(operation, AddIndex) for _, operation in operations):
        return ()
    server = read_server(connection)
    if not server.may_create:
        return (replace(refusals.may_not_create(server), fatal=False),)
    return _filled_elsewhere(connection, tables)


def _refused_on_the_way(connection: BaseDatabaseWrapper, pending: Sequence[Migration]) -> tuple[Refusal, ...]:
    """Return what ReconcileSchema will refuse to create, of apps of which no more than what is recorded is inspected now."""
    inspected = apps_that_only_reconcile({migration.app_label for migration in pending}, pending)
    operations = [
        (migration.app_label, declaration)
        for migration in pending
        if migration.app_label not in inspected
        for operation in migration.operations
        if isinstance(operation, SeparateDatabaseAndState) and reconciles(operation)
        for declaration in operation.state_operations
    ]
    return _filled_elsewhere(connection, _created_tables(connection, operations))


def _filled_elsewhere(connection: BaseDatabaseWrapper, created: Mapping[str, tuple[str, ...]]) -> tuple[Refusal, ...]:
    """Return the refusals of the tables `created` that would be beside filled ones."""
    if not created:
        return ()
    schema = read_server(connection).schema or ""
    return tuple(
        refusals.found_elsewhere(found.name, schema, found)
        for found in tables_elsewhere(connection, schema, created)
        if found.key == created[found.name]
    )


def _created_tables(
    connection: BaseDatabaseWrapper, operations: Iterable[tuple[str, Operation]]
) -> dict[str, tuple[str, ...]]:
    """Return the tables that the operations, each after its app's label, create: by name, the columns of the primary key."""
    return dict(
        _created_table(label, operation)
        for label, operation in operations
        if isinstance(operation, CreateModel) and _creates_table(connection, label, operation)
    )


def _creates_table(connection: BaseDatabaseWrapper, label: str, operation: CreateModel) -> bool:
    """Whether Django creates a table for it, as `Options.can_migrate` and the routers say."""
    options = operation.options
    if options.get("proxy") or not options.get("managed", True):
        return False
    name = f"{label}.{operation.name_lower}"
    chosen = getattr(settings, options.get("swappable", ""), None) or name
    return chosen.lower() == name and router.allow_migrate(connection.alias, label, model_name=operation.name_lower)


def _created_table(label: str, operation: CreateModel) -> tuple[str, tuple[str, ...]]:
    """Return the name of the table that the operation creates, and the columns of its primary key."""
    db_table = operation.options.get("db_table") or f"{label}_{operation.name_lower}"
    key = [(name, field) for name, field in operation.fields if field.primary_key]
    columns = (field.db_column or (f"{name}_id" if field.is_relation else name) for name, field in key)
    return TablePlace.of(db_table).key, tuple(columns)


def forecast_migrate(
    connection: BaseDatabaseWrapper, inspection: Inspection, budgets: Budgets, timeout: float | None = None
) -> Forecast:
    """Return what `migrate` would refuse now: of extensions, the history, the schema, and rows. Nothing is changed."""
    try:
        before = (*extension_refusals(connection), *history_refusals(connection, budgets))
    except Error as error:
        if sqlstate(error) not in SCHEMA_IS_BEHIND:
            raise
        before = ()  # the history can't be read before migrate has repaired its table
    expected = forecast(connection, inspection, budgets, timeout)
    return replace(expected, refusals=(*before, *expected.refusals))


def _recording_statements(migrations: Sequence[MigrationKey]) -> tuple[str, ...]:
    """Return the SQL that records the app's migrations, if its tables are reconciled afterwards."""
    if migrations[0][0] not in reconciled_labels():
        return ()
    rows = ", ".join(f"({literal(label)}, {literal(name)}, now())" for label, name in migrations)
    return (f"INSERT INTO django_migrations (app, name, applied) VALUES {rows}",)


def _recorded_note(label: str, name: str, text: str) -> Note:
    return Note(NoteCode.HISTORY_COMPLETED, label, name, text)


# Writing to the history


def record_migrations(connection: BaseDatabaseWrapper, migrations: Iterable[MigrationKey]) -> None:
    """Record `migrations` as applied.

    Raises django.db.Error where django_migrations rejects rows; repair_history_table() prevents that.
    """
    recorder = MigrationRecorder(connection)
    for label, name in migrations:
        recorder.record_applied(label, name)


def repair_history_table(connection: BaseDatabaseWrapper, context: CommandContext) -> tuple[Refusal, ...]:
    """Repair django_migrations, if it exists. Returns what is refused."""
    if not MigrationRecorder(connection).has_table():
        return ()
    with context.reporter.under("Repairing the migration history:"):
        return _without_types(context.reconcile_with(connection, _declared_history_table(connection)).refusals)


def _history_table_refusals(connection: BaseDatabaseWrapper, budgets: Budgets) -> tuple[Refusal, ...]:
    if not MigrationRecorder(connection).has_table():
        return ()
    inspection = inspect(connection, *_declared_history_table(connection), budgets)
    return _without_types(forecast(connection, inspection, budgets).refusals)


def _declared_history_table(connection: BaseDatabaseWrapper) -> tuple[Server, Schema]:
    table = ModelState.from_model(MigrationRecorder.Migration)
    # The model's own registry has no apps, so it lists no models.
    state_apps = ProjectState(models={(table.app_label, table.name_lower): table}).apps
    return read_declared(connection, state_apps, [table.app_label])


def _without_types(refused: Iterable[Refusal]) -> tuple[Refusal, ...]:
    """Leave out what is about types: they may be those of other settings (DEFAULT_AUTO_FIELD), and Django reads them all."""
    return tuple(refusal for refusal in refused if refusal.code is not RefusalCode.COLUMN_TYPE)
