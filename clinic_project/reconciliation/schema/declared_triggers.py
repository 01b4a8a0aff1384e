"""Triggers and their functions as declared objects: a trigger stands in a model's Meta.constraints, a function with its app.

    class AuditConfig(AppConfig):
        database_functions = (Function("record_change", "BEGIN … END", security_definer=True),)

    class Patient(models.Model):
        class Meta:
            constraints = [
                Trigger(name="patients_history", function="audit.record_change", events=("UPDATE", "DELETE")),
            ]

A migration names a function, and doesn't contain it: the one that the app declares now is meant, as for any other code.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

from django.apps import apps
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.backends.ddl_references import Statement, Table

from .model import TriggerMode, close_to_public, identifier, literal, truncated

#: Stands for the project's schema in a function's search path.
PROJECT_SCHEMA = "{project}"

#: A function of PostgreSQL's own, by schema and name, that any trigger may call: it stands in for a trigger's own one where
#: that isn't there.
STAND_IN_FUNCTION = ("pg_catalog", "suppress_redundant_updates_trigger")

_TIMINGS = ("BEFORE", "AFTER")
_EVENTS = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
_LEVELS = ("ROW", "STATEMENT")


@dataclass(frozen=True)
class Function:
    """A function of the database, in the project's schema.

    `arguments` and `returns` are as in CREATE FUNCTION. A `security_definer` function runs with the privileges of its owner;
    one for triggers is its owner's alone, since no trigger that stands needs EXECUTE.
    `search_path` are the names of schemas, PROJECT_SCHEMA for the project's: what is called by other roles, or runs with
    its owner's privileges, should have one (https://www.postgresql.org/docs/current/sql-createfunction.html#SQL-CREATEFUNCTION-SECURITY).
    `settings` are names and values of others, which hold while it runs.
    """

    name: str
    body: str
    arguments: str = ""
    returns: str = "trigger"
    language: str = "plpgsql"
    security_definer: bool = False
    search_path: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def signature(self) -> str:
        """The name, as PostgreSQL truncates it, and the arguments as they are declared: what tells functions apart."""
        return f"{truncated(self.name)}({' '.join(self.arguments.split())})"

    @property
    def lends_privileges(self) -> bool:
        """Whether it does for triggers what its owner may do."""
        return self.security_definer and self.returns.lower() == "trigger"

    def create_sql(self, schema: str, project_schema: str, verb: str = "CREATE OR REPLACE") -> str:
        """Return the statement that creates it in `schema`, both quoted. The search path names the project's schema."""
        parts = [
            f"{verb} FUNCTION {schema}.{identifier(self.name)}({self.arguments})",
            f"RETURNS {self.returns}",
            f"LANGUAGE {self.language}",
        ]
        if self.security_definer:
            parts.append("SECURITY DEFINER")
        if self.search_path:
            names = (project_schema if name == PROJECT_SCHEMA else identifier(name) for name in self.search_path)
            parts.append(f"SET search_path = {', '.join(names)}")
        parts += [f"SET {identifier(name)} = {literal(value)}" for name, value in self.settings]
        return "\n".join((*parts, f"AS {literal(self.body)}"))


def functions_of(label: str) -> tuple[Function, ...]:
    """Return the functions that the app `label` declares in its AppConfig: none if it isn't installed any more."""
    app_config = apps.app_configs.get(label)
    return tuple(getattr(app_config, "database_functions", ()))


def declared_function(reference: str) -> Function:
    """Return the function that `reference` names: the app's label, a dot, the function's name. It takes no arguments."""
    label, _, name = reference.partition(".")
    found = next((each for each in functions_of(label) if each.name == name and not each.arguments), None)
    if found is None:
        raise ImproperlyConfigured(
            f"no function {reference} is declared: expected one without arguments in database_functions of the AppConfig of"
            f" {label}."
        )
    return found


def conflicting_functions() -> dict[str, tuple[str, ...]]:
    """Return the signatures that stand for different functions, each with the labels of the apps that declare these."""
    declared: dict[str, dict[Function, str]] = defaultdict(dict)
    for label in apps.app_configs:
        for function in functions_of(label):
            declared[function.signature].setdefault(function, label)
    return {name: tuple(dict.fromkeys(found.values())) for name, found in declared.items() if len(found) > 1}


class Trigger(models.BaseConstraint):
    """A trigger of the model's table. It is ENABLE ALWAYS unless `enabled` says otherwise.

    `function` names what it executes, as "app_label.function_name". `events` are of INSERT, UPDATE, DELETE and TRUNCATE;
    `update_of` are the columns of UPDATE OF. `condition` is the SQL of WHEN, `referencing` that of REFERENCING. With
    `append_only`, it refuses changes of rows: the table is never backfilled, and never dropped with rows.
    """

    def __init__(  # noqa: PLR0913 (as many as CREATE TRIGGER has)
        self,
        *,
        name: str,
        function: str,
        events: Sequence[str],
        timing: str = "AFTER",
        level: str = "ROW",
        update_of: Sequence[str] = (),
        condition: str = "",
        referencing: str = "",
        arguments: Sequence[str] = (),
        enabled: str = TriggerMode.ALWAYS.value,
        append_only: bool = False,
    ) -> None:
        self.function = function
        self.events = tuple(events)
        self.timing = timing
        self.level = level
        self.update_of = tuple(update_of)
        self.condition = condition
        self.referencing = referencing
        self.arguments = tuple(arguments)
        self.enabled = TriggerMode(enabled).value
        self.append_only = append_only
        super().__init__(name=name)

    @property
    def function_name(self) -> str:
        """The function's name in the database."""
        return truncated(self.function.partition(".")[2])

    # Of Django's BaseConstraint

    def constraint_sql(self, model: Any, schema_editor: Any) -> str:
        """Defer the trigger until the table exists: it is no part of CREATE TABLE."""
        if created := self.create_sql(model, schema_editor):
            schema_editor.deferred_sql.append(created)
        return ""

    def create_sql(self, model: Any, schema_editor: Any) -> Any:
        """Return nothing for another vendor's database."""
        if schema_editor.connection.vendor != "postgresql":
            return ""
        return TriggerSQL(self, Table(model._meta.db_table, schema_editor.quote_name), schema_editor.connection)

    def remove_sql(self, model: Any, schema_editor: Any) -> str:
        if schema_editor.connection.vendor != "postgresql":
            return ""
        table = schema_editor.quote_name(model._meta.db_table)
        return f"DROP TRIGGER {schema_editor.quote_name(self.name)} ON {table}"

    def validate(self, model: Any, instance: Any, exclude: Any = None, using: Any = None) -> None:
        """Do nothing: only the database executes it."""

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        path, arguments, options = super().deconstruct()
        path = path.replace(".schema.declared_triggers.", ".triggers.")
        options |= {"function": self.function, "events": self.events}
        options |= {name: getattr(self, name) for name in _DEFAULTS if getattr(self, name) != _DEFAULTS[name]}
        return path, arguments, options

    def __eq__(self, other: object) -> bool:
        return self.deconstruct() == other.deconstruct() if isinstance(other, Trigger) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.function))

    def __repr__(self) -> str:
        _, _, options = self.deconstruct()
        return f"<{type(self).__name__}: {' '.join(f'{name}={value!r}' for name, value in options.items())}>"

    def _check(self, model: type[models.Model], connection: Any) -> list[checks.CheckMessage]:
        """Return errors for words that PostgreSQL doesn't know, and for a function that isn't declared, or no trigger's."""
        allowed = (
            ("events", self.events, _EVENTS),
            ("timing", [self.timing], _TIMINGS),
            ("level", [self.level], _LEVELS),
        )
        wrong = [f"{name} {word!r}" for name, words, known in allowed for word in words if word not in known]
        wrong += [] if self.events else ["no events"]
        errors = [f"The trigger {self.name} has {', '.join(wrong)}."] if wrong else []
        try:
            returns = declared_function(self.function).returns
        except ImproperlyConfigured as error:
            errors.append(f"The trigger {self.name}: {error}")
        else:
            if returns.lower() != "trigger":
                errors.append(
                    f"The trigger {self.name} calls {self.function}: expected it to return trigger, not {returns}."
                )
        return [checks.Error(text, obj=model, id="reconciliation.E010") for text in errors]


_DEFAULTS = {
    name: parameter.default
    for name, parameter in signature(Trigger.__init__).parameters.items()
    if parameter.default is not parameter.empty
}


class TriggerSQL(Statement):
    """What creates a trigger. As Django's own statements, it is text once it is executed, and follows a renamed table."""

    def __init__(self, trigger: Trigger, table: Table, connection: Any) -> None:
        super().__init__("", table=table)
        self.trigger = trigger
        self.connection = connection

    @property
    def table(self) -> str:
        """The quoted name of the table."""
        return str(self.parts["table"])

    def __str__(self) -> str:
        """Return statements for Django's schema editor, which also create the function, in the current schema."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT quote_ident(current_schema())")
            (schema,) = cursor.fetchone()
        function, name = declared_function(self.trigger.function), f"{schema}.{identifier(self.trigger.function_name)}"
        closed = (close_to_public(f"{name}()"),) if function.lends_privileges else ()
        return ";\n".join((function.create_sql(schema, schema), *closed, *self.statements(name)))

    def statements(self, function: str) -> tuple[str, ...]:
        """Return the statements that create the trigger, which calls `function`, given quoted."""
        trigger = self.trigger
        name = identifier(trigger.name)
        events = " OR ".join(_event(event, trigger.update_of) for event in trigger.events)
        parts = [f"CREATE TRIGGER {name} {trigger.timing} {events} ON {self.table}"]
        if trigger.referencing:
            parts.append(f"REFERENCING {trigger.referencing}")
        parts.append(f"FOR EACH {trigger.level}")
        if trigger.condition:
            parts.append(f"WHEN ({trigger.condition})")
        parts.append(f"EXECUTE FUNCTION {function}({', '.join(map(literal, trigger.arguments))})")
        created = " ".join(parts)
        mode = TriggerMode(trigger.enabled)
        return (created,) if mode is TriggerMode.ORIGIN else (created, mode.statement(self.table, trigger.name))


def _event(event: str, update_of: Sequence[str]) -> str:
    return f"UPDATE OF {', '.join(map(identifier, update_of))}" if event == "UPDATE" and update_of else event
