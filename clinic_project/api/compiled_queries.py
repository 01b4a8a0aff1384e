"""SQL that is composed once a process and executed a request.

Django composes the SQL of a queryset anew for each evaluation, which takes several times as long as executing it.

    def of_clinic(*, clinic):
        return Record.objects.filter(clinic=clinic).values("id", "name")

    list(of_clinic(clinic=7))      # by Django
    fetch(of_clinic, clinic=7)     # the same, by the SQL that Django composed of `of_clinic` at the first call

A recipe such as `of_clinic` is called with Parameters where the values will be; where a value is a dictionary, with one of
Parameters. What comes from a request has to be one of the values, unless it is one of a few choices: these belong to the
shape. So a recipe is a function of a module or a method of a class, and sees no request.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from django.db import connections, router
from django.db.models import Expression, Field, Model, Value
from django.db.models.expressions import DatabaseDefault
from django.db.models.query import ValuesIterable
from django.db.models.sql import InsertQuery, UpdateQuery
from django.db.models.sql.compiler import SQLCompiler

Recipe = Callable[..., Any]

#: How many statements are kept: those that were needed last, since clients choose page sizes and filters.
MAX_KEPT = 512


class Parameter(Expression):
    """Stands for the value that each execution gives by this name, or for the one that it has under `key`.

    The driver is given what the field that it is `saved_in` makes of it, or the value itself: ids, texts and times.
    """

    def __init__(self, name: str, key: Hashable = None, saved_in: "Field[Any, Any] | None" = None) -> None:
        super().__init__()
        self.name, self.key, self.saved_in = name, key, saved_in

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[Any]]:
        return "%s", [self]

    def given(self, values: Mapping[str, Any], connection: Any) -> Any:
        value = values[self.name]
        if self.key is not None:
            value = value[self.key]
        return value if self.saved_in is None else self.saved_in.get_db_prep_save(value, connection)


def as_expression(value: Any) -> Expression:
    """Return a Parameter as it is, and any other value as one of SQL."""
    return value if isinstance(value, Parameter) else Value(value)


def as_saved(value: Any, field: "Field[Any, Any]") -> Any:
    """Return the Parameter of a value to save in `field`, and any other value as it is."""
    return Parameter(value.name, value.key, field) if isinstance(value, Parameter) else value


def fetch(recipe: Recipe, *shape: Hashable, **values: Any) -> list[Any]:
    """Return `list(recipe(*shape, **values))`, which is a queryset of `values()` or `values_list()`."""
    names = _names(values)
    alias = _pattern(recipe, shape, names).db
    return _selection(recipe, shape, names, alias).fetch(values)


def update(recipe: Recipe, *shape: Hashable, **values: Any) -> int:
    """Do `rows.update(**columns)`, where `recipe(*shape, **values)` returns both. Returns how many rows were changed."""
    names = _names(values)
    alias = router.db_for_write(_pattern(recipe, shape, names)[0].model)
    return _updating(recipe, shape, names, alias).count(values)


def insert(row: Model) -> bool:
    """Insert `row` as `save(force_insert=True)` does, without signals, and set its key.

    Returns whether it was inserted: a trigger or a rule may leave it out.
    """
    key, alias = row._meta.pk.attname, router.db_for_write(type(row), instance=row)
    given = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    values = {name: value for name, value in given.items() if not isinstance(value, DatabaseDefault)}
    if row.pk is None:
        del values[key]
    found = _insertion(type(row), tuple(values), alias).rows(values)
    for (row.pk,) in found:
        row._state.adding, row._state.db = False, alias
    return bool(found)


#: The names of values, and of each dictionary the keys.
Names = tuple[tuple[str, tuple[Hashable, ...] | None], ...]


def _names(values: Mapping[str, Any]) -> Names:
    return tuple((name, tuple(value) if isinstance(value, dict) else None) for name, value in values.items())


def pattern(recipe: Recipe, *shape: Hashable, **values: Any) -> Any:
    """Return what `recipe` makes of Parameters for these values."""
    return _pattern(recipe, shape, _names(values))


@lru_cache(MAX_KEPT)
def _pattern(recipe: Recipe, shape: tuple[Hashable, ...], names: Names) -> Any:
    parameters = {
        name: Parameter(name) if keys is None else {key: Parameter(name, key) for key in keys} for name, keys in names
    }
    return recipe(*shape, **parameters)


@lru_cache(MAX_KEPT)
def _selection(recipe: Recipe, shape: tuple[Hashable, ...], names: Names, alias: str) -> "_Selection":
    rows = _pattern(recipe, shape, names)
    compiler = rows.query.get_compiler(alias)
    sql, params = compiler.as_sql()
    converters = compiler.get_converters(expression for expression, _, _ in compiler.select)
    columns = list(rows.query.selected) if issubclass(rows._iterable_class, ValuesIterable) else None
    return _Selection(alias, sql, params, rows.query, converters, columns)


@lru_cache(MAX_KEPT)
def _updating(recipe: Recipe, shape: tuple[Hashable, ...], names: Names, alias: str) -> "_Statement":
    rows, columns = _pattern(recipe, shape, names)
    query = rows.query.chain(UpdateQuery)
    query.add_update_values(columns)
    return _Statement(alias, *query.get_compiler(alias).as_sql())


@lru_cache(MAX_KEPT)
def _insertion(model: type[Model], names: tuple[str, ...], alias: str) -> "_Statement":
    fields = [field for field in model._meta.concrete_fields if field.attname in names]
    query = InsertQuery(model)
    row = model(**{field.attname: Parameter(field.attname, saved_in=field) for field in fields})
    query.insert_values(fields, [row], raw=True)
    compiler = query.get_compiler(alias)
    compiler.returning_fields = [model._meta.pk]
    [(sql, params)] = compiler.as_sql()
    return _Statement(alias, sql, params)


@dataclass(frozen=True)
class _Statement:
    """SQL for one database. Threads share it; each has a connection of its own."""

    alias: str
    sql: str
    params: Sequence[Any]

    def rows(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self._executed(values) as cursor:
            return list(cursor.fetchall())

    def count(self, values: Mapping[str, Any]) -> int:
        """Return how many rows were changed."""
        with self._executed(values) as cursor:
            return int(cursor.rowcount)

    @contextmanager
    def _executed(self, values: Mapping[str, Any]) -> Iterator[Any]:
        connection = connections[self.alias]
        given = [param.given(values, connection) if isinstance(param, Parameter) else param for param in self.params]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, given)
            yield cursor


@dataclass(frozen=True)
class _Selection(_Statement):
    """A SELECT: Django's converters of its columns, and the names of these where the rows are dictionaries."""

    query: Any
    converters: Mapping[int, Any]
    columns: Sequence[str] | None

    def fetch(self, values: Mapping[str, Any]) -> list[Any]:
        rows = self.rows(values)
        if self.converters:
            rows = [tuple(row) for row in self.query.get_compiler(self.alias).apply_converters(rows, self.converters)]
        if self.columns is None:
            return rows
        return [dict(zip(self.columns, row, strict=True)) for row in rows]


class Instances:
    """Reads rows of several tables as an instance of each: those of `models`, by their paths from the first.

    Fields of the type `deferred` are read when they are asked for.
    """

    def __init__(self, models: Mapping[str, type[Model]], deferred: "type[Field[Any, Any]] | tuple[()]" = ()) -> None:
        self.models = models
        self.names = {
            path: [field.attname for field in model._meta.concrete_fields if not isinstance(field, deferred)]
            for path, model in models.items()
        }

    @property
    def columns(self) -> list[str]:
        """What to select."""
        return [f"{path}{name}" for path, names in self.names.items() for name in names]

    def of(self, row: Sequence[Any]) -> list[Any]:
        """Return the instances, of a row with the `columns`; None for what isn't there."""
        values, made = iter(row), []
        for path, model in self.models.items():
            names = self.names[path]
            key, *others = islice(values, len(names))
            alias = model._default_manager.db
            made.append(None if key is None else model.from_db(alias, names, [key, *others]))
        return made
