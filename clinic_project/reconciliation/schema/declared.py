"""The models of a Django project state → Schema: what they declare, as PostgreSQL itself prints it.

The tables are created with the SQL of Django's schema editor, as temporary ones, in a transaction that is rolled back, and
are read by the same queries as the actual tables. So types, defaults and definitions have the same canonical form on both
sides, and Django's mapping to PostgreSQL isn't written a second time.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.apps.registry import Apps
from django.core.exceptions import ImproperlyConfigured
from django.db import models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from ..migration_files import labels_with_own_sql
from .declared_triggers import (
    STAND_IN_FUNCTION,
    Trigger,
    conflicting_functions,
    declared_function,
    functions_of,
)
from .model import (
    HELPER_PREFIX,
    Constraint,
    Function,
    Identity,
    RelationKind,
    Schema,
    Table,
    TablePlace,
    identifier,
    truncated,
)
from .model import Trigger as ActualTrigger
from .table_definitions import DefinitionBuilder
from .temporary_tables import create_and_read, create_and_read_functions

#: How many models' tables are created in one transaction: it holds a lock on each table and index to its end, and a server
#: with default settings has some 7,000 locks for all sessions (max_locks_per_transaction for each of max_connections).
MODELS_PER_BATCH = 200


@dataclass(frozen=True, slots=True)
class _Parent:
    """A model, and its fields that foreign keys point to."""

    model: type[models.Model]
    fields: list[Any]


def declared_schema(connection: BaseDatabaseWrapper, apps: Apps, labels: Iterable[str], schema: str) -> Schema:
    """Return the tables that the models of the apps `labels` declare, as if they were in `schema`, where they name no other.

    Tables and functions that PostgreSQL refuses to create are its rejected ones. Raises Unsupported if an event trigger
    forbids temporary tables.
    """
    declaring = set(labels)
    declared = [
        model for model in apps.get_models() if model._meta.app_label in declaring and _is_managed(connection, model)
    ]
    result = _functions(connection, declaring, declared, schema)
    for batch in _batches(_with_through(declared), schema):
        result = result.merged_with(_read_batch(connection, batch, schema, result.functions.values()))
    return replace(result, tables=dict(sorted(result.tables.items())))


def _functions(
    connection: BaseDatabaseWrapper, labels: Iterable[str], declared: Iterable[type[models.Model]], schema: str
) -> Schema:
    """Return the functions of the apps `labels`, and those of other apps that the models' triggers call; without tables."""
    apps_of = {function: label for label in sorted(labels) for function in functions_of(label)}
    rejected = {}
    for trigger in (each for model in declared for each in _triggers(model)):
        try:
            apps_of.setdefault(declared_function(trigger.function), trigger.function.partition(".")[0])
        except ImproperlyConfigured as error:
            rejected[f"{trigger.function_name}()"] = str(error).removesuffix(".")
    conflicting = conflicting_functions()
    for name in {function.signature for function in apps_of} & conflicting.keys():
        rejected[name] = f"{' and '.join(conflicting[name])} declare different functions of this name"
    accepted = [function for function in apps_of if function.signature not in rejected]
    created = create_and_read_functions(connection, accepted, schema)
    for function, message in created.rejected.items():
        rejected[function.signature] = f"PostgreSQL refuses to create it as {apps_of[function]} declares it: {message}"
    return Schema(schema, {}, functions=created.functions, rejected_functions=rejected)


def _triggers(model: type[models.Model]) -> list[Trigger]:
    return [constraint for constraint in model._meta.constraints if isinstance(constraint, Trigger)]


def _is_managed(connection: BaseDatabaseWrapper, model: type[models.Model]) -> bool:
    return model._meta.can_migrate(connection.alias) and router.allow_migrate_model(connection.alias, model)


def _with_through(declared: Iterable[type[models.Model]]) -> Iterator[type[models.Model]]:
    """Yield the models, and those that Django creates for their many-to-many fields."""
    for model in declared:
        yield model
        fields: list[Any] = list(model._meta.local_many_to_many)
        through: list[Any] = [field.remote_field.through for field in fields]
        yield from (automatic for automatic in through if automatic._meta.auto_created)


def _batches(declared: Iterable[type[models.Model]], schema: str) -> Iterator[dict[TablePlace, type[models.Model]]]:
    """Yield the models in batches. The tables of a batch are in one schema, so that no two have one name."""
    by_schema: dict[str, dict[TablePlace, type[models.Model]]] = defaultdict(dict)
    for model in declared:
        place = TablePlace.of(model._meta.db_table, schema)
        by_schema[place.schema][place] = model
    for of_schema in by_schema.values():
        places = list(of_schema)
        for first in range(0, len(places), MODELS_PER_BATCH):
            yield {place: of_schema[place] for place in places[first : first + MODELS_PER_BATCH]}


def _read_batch(
    connection: BaseDatabaseWrapper,
    batch: Mapping[TablePlace, type[models.Model]],
    schema: str,
    functions: Iterable[Function],
) -> Schema:
    """Return the tables of the models, which are all in one schema. Their expressions may call the `functions`.

    Where their foreign keys point to others, stand-ins for these are created beside them, since a temporary table's foreign
    keys may only point to temporary tables (https://www.postgresql.org/docs/current/sql-createtable.html), and left out.
    """
    targets = _targets(batch.values(), schema)
    parents = {place: target for place, target in targets.items() if place not in batch}
    names = _temporary_names(batch, parents)
    builder = DefinitionBuilder(
        connection,
        {model._meta.db_table: names[place] for place, model in batch.items()}
        | {parent.model._meta.db_table: names[place] for place, parent in parents.items()},
    )
    definitions = [
        *(builder.build(model, targets[p].fields if p in targets else ()) for p, model in batch.items()),
        *(builder.stand_in(parent.model, parent.fields) for parent in parents.values()),
    ]
    created = create_and_read(connection, definitions, schema, [names[place] for place in batch], functions)
    moves = _Moves(connection, schema, {name: place for place, name in names.items() if place != TablePlace("", name)})
    tables = {
        place: moves.moved(_completed(created.tables[names[place]], model, builder, schema))
        for place, model in batch.items()
        if names[place] in created.tables
    }
    return Schema(
        schema,
        {place.key: table for place, table in tables.items()},
        rejected={place.key: created.rejected[names[place]] for place in batch if place not in tables},
        models={place.key: model for place, model in batch.items()},
    )


def _targets(declared: Iterable[type[models.Model]], schema: str) -> dict[TablePlace, _Parent]:
    """Return what the models' foreign keys point to, by the tables' places."""
    targets: dict[TablePlace, _Parent] = {}
    for model in declared:
        fields: list[Any] = [f for f in model._meta.local_fields if getattr(f, "db_constraint", False)]
        for field in fields:
            target = field.remote_field.model._meta.concrete_model
            place = TablePlace.of(target._meta.db_table, schema)
            parent = targets.setdefault(place, _Parent(target, []))
            if field.target_field.column not in [known.column for known in parent.fields]:
                parent.fields.append(field.target_field)
    return targets


def _temporary_names(batch: Iterable[TablePlace], parents: Iterable[TablePlace]) -> dict[TablePlace, str]:
    """Return the tables' own names; another one for a parent in another schema, if it has the name of one of the batch."""
    own = {place: place.name for place in batch}
    taken = set(own.values())
    return own | {
        place: f"{HELPER_PREFIX}parent_{number}" if place.name in taken else place.name
        for number, place in enumerate(parents)
    }


def _completed(table: Table, model: type[models.Model], builder: DefinitionBuilder, schema: str) -> Table:
    """Correct what differs in the temporary table.

    It may be partitioned, Django's identities are plain columns, and its triggers call a stand-in.
    """
    fields: list[Any] = list(model._meta.local_concrete_fields)
    columns = dict(table.columns)
    for field in fields:
        name = truncated(field.column)
        if name in columns and builder.is_identity(field):  # a field without a database type has no column
            columns[name] = replace(columns[name], identity=Identity.BY_DEFAULT)
    if model._meta.app_label in labels_with_own_sql():
        columns = {name: replace(column, may_be_stricter=True) for name, column in columns.items()}
    declared = {truncated(trigger.name): trigger for trigger in _triggers(model)}
    return replace(
        table,
        kind=RelationKind.TABLE,
        columns=columns,
        triggers=tuple(_calling(trigger, declared.get(trigger.name), schema) for trigger in table.triggers),
        append_only=any(trigger.append_only for trigger in declared.values()),
    )


def _calling(trigger: ActualTrigger, declared: Trigger | None, schema: str) -> ActualTrigger:
    """Return the trigger with its own function, which is in `schema`, in place of the stand-in."""
    if declared is None:
        return trigger  # of a constraint of somebody else's
    arguments = trigger.call.removeprefix(identifier(*STAND_IN_FUNCTION))
    call = f"{identifier(schema, declared.function_name)}{arguments}"
    return replace(trigger, call=call, function=f"{declared.function_name}()")


class _Moves:
    """Moves temporary tables, and what foreign keys point to, to their `places` in other schemas."""

    def __init__(self, connection: BaseDatabaseWrapper, schema: str, places: Mapping[str, TablePlace]) -> None:
        self.places = places
        before = _references(connection, [(schema, name) for name in places])
        after = _references(connection, [(place.schema or schema, place.name) for place in places.values()])
        self.references = dict(zip(places, zip(before, after, strict=True), strict=True))

    def moved(self, table: Table) -> Table:
        if not self.places:
            return table
        constraints = tuple(map(self._moved_reference, table.constraints))
        place = self.places.get(table.name)
        if place is None:
            return replace(table, constraints=constraints)
        return replace(table, schema=place.schema, name=place.key, constraints=constraints)

    def _moved_reference(self, constraint: Constraint) -> Constraint:
        if constraint.target is None or constraint.target[1] not in self.places:
            return constraint
        schema, name = constraint.target
        place = self.places[name]
        definition = constraint.definition.replace(*self.references[name])
        return replace(constraint, target=(place.schema or schema, place.key), definition=definition)


def _references(connection: BaseDatabaseWrapper, names: Sequence[tuple[str, str]]) -> list[str]:
    """Return REFERENCES and the name of each table, as PostgreSQL prints them in a definition."""
    if not names:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('REFERENCES %%I.%%I(', schema, name) FROM unnest(%s::text[], %s::text[]) AS t(schema, name)",
            [list(part) for part in zip(*names, strict=True)],
        )
        return [text for (text,) in cursor.fetchall()]
