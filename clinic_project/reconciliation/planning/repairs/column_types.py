"""Columns of another type, or generated otherwise: widened where that is free, else refused with how to convert them.

PostgreSQL alters no column that a view, rule, trigger, policy, publication or generated column reads. Their definitions are
known, so the refusal's statement drops them, alters the column and creates them again, in one transaction.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...comparison.differences import ColumnDifference
from ...schema.model import (
    Column,
    Constraint,
    ConstraintKind,
    Dependent,
    HelperRole,
    Index,
    Schema,
    Table,
    helper_name,
    identifier,
    with_suffix,
)
from .. import refusals
from ..plan import Phase, Plan, Refusal, Repair, plan_of
from . import violations
from .conversions import Conversion, conversion, family, is_integer
from .steps import alter_table, atomically, drop_constraint

#: ALTER COLUMN … SET EXPRESSION is since PostgreSQL 17.
_SET_EXPRESSION = 170000

_NAME = r'(?:"(?:[^"]|"")+"|[a-z_][\w$]*)(?: DESC)?(?: NULLS (?:FIRST|LAST))?'
#: An index of columns alone, which PostgreSQL builds again for any type.
_PLAIN_INDEX = re.compile(
    rf"USING \w+ \({_NAME}(?:, {_NAME})*\)(?: INCLUDE \([^()]*\))?(?: NULLS NOT DISTINCT)?(?: WITH \([^()]*\))?"
)


@dataclass(frozen=True, slots=True)
class Target:
    """What the schema has to become, and the version of the server that it is on."""

    declared: Schema
    version: int


def change_type(table: Table, item: ColumnDifference, target: Target) -> Plan:
    column, actual = item.declared, item.actual
    change = _Change(table, item, target.declared, target.version)
    if is_free_widening(actual, column) and not change.others:
        reason = f"widen {column.name} from {actual.type} to {column.type}"
        step = alter_table(table, reason, f"ALTER COLUMN {identifier(column.name)} TYPE {column.type}")
        return plan_of(Repair(Phase.COLUMNS, table.name, (column.name,), (step,)))
    return plan_of(change.refusal())


def is_free_widening(actual: Column, declared: Column) -> bool:
    """Whether ALTER TYPE only changes the catalog: https://www.postgresql.org/docs/current/sql-altertable.html"""
    if (actual.collation, actual.generated) != (declared.collation, declared.generated) or declared.generated:
        return False
    if re.fullmatch(r"character varying(\(\d+\))?", actual.type) and declared.type in ("text", "character varying"):
        return True
    for pattern in (r"character varying\((\d+)\)()", r"numeric\((\d+),(\d+)\)", r"bit varying\((\d+)\)()"):
        before, after = re.fullmatch(pattern, actual.type), re.fullmatch(pattern, declared.type)
        if before and after:
            return int(after[1]) > int(before[1]) and after[2] == before[2]
    return False


@dataclass(frozen=True)
class _Change:
    """What it takes to give a column its declared type and generation, apart from deciding to."""

    table: Table
    item: ColumnDifference
    declared: Schema
    version: int

    @property
    def column(self) -> Column:
        return self.item.declared

    @property
    def name(self) -> str:
        return identifier(self.column.name)

    @property
    def others(self) -> list[str]:
        """What depends on the column and keeps PostgreSQL from altering its type, by name."""
        names = [dependent.name for dependent in self._dependents]
        return [*names, *(f"generated column {column.name}" for column in self._generated_from_it)]

    def refusal(self) -> Refusal:
        converted = self._conversion
        in_the_way = [*self._in_the_way()]
        statements = self._statements(converted) if converted is not None and not in_the_way else []
        misfits = None
        if converted is not None and converted.misfit is not None:
            misfits = violations.misfits(self.table, converted.misfit)
        return refusals.column_type(
            self.table,
            self.item,
            _cost(self.item.actual, self.column),
            refusals.TypeRemedy(
                atomically(statements) if statements else None,
                possible=converted is not None,
                recreated=tuple(self.others),
                in_the_way=tuple(in_the_way),
                hint=" ".join(filter(None, [converted.assumption if converted else "", self._kept_column_hint])),
                misfits=misfits,
                online=refusals.widen_command([self.item.subject.label]) if self._can_be_widened else "",
            ),
        )

    @property
    def _can_be_widened(self) -> bool:
        declared, actual = self.column, self.item.actual
        return declared.type == "bigint" and is_integer(actual.type) and not (declared.generated or actual.generated)

    # What depends on the column

    @property
    def _dependents(self) -> list[Dependent]:
        names = {self.column.name, *(column.name for column in self._generated_from_it)}
        of_columns = [d for d in self.table.dependents if d.holds_rows or not names.isdisjoint(d.columns)]
        found = [d for d in of_columns if d.foreign_key is None]
        return sorted(found, key=lambda dependent: dependent.level)

    @property
    def _generated_from_it(self) -> list[Column]:
        word = re.compile(rf"(?<![\w$\"]){re.escape(self.column.name)}(?![\w$\"])|{re.escape(self.name)}")
        columns = self.table.columns.values()
        return [
            c for c in columns if c.generated and c.name != self.column.name and word.search(c.generated.expression)
        ]

    @property
    def _declared_table(self) -> Table:
        return self.declared.tables[self.table.name]

    def _in_the_way(self) -> Iterator[str]:
        """Yield what only a person can drop, or create again."""
        yield from (dependent.name for dependent in self._dependents if not dependent.restorable)
        declared_columns = self._declared_table.columns
        for column in self._generated_from_it:
            if column.name not in declared_columns or not declared_columns[column.name].generated:
                yield f"generated column {column.name}"
        yield from self._lost_with_columns()
        if self._changes_family:
            yield from self._incompatible_with_type()

    def _lost_with_columns(self) -> Iterator[str]:
        """Yield the undeclared indexes and constraints of the columns that are dropped and added again."""
        added_again = {column.name for column in self._generated_from_it}
        if self._is_added_again:
            added_again.add(self.column.name)
        for constraint in self.table.constraints:
            if not added_again.isdisjoint(constraint.columns) and not self._is_declared(constraint):
                yield f"constraint {constraint.name} ({constraint.sql})"
        for index in self.table.indexes:
            if index.constraint is None and not added_again.isdisjoint(index.columns) and not self._is_declared(index):
                yield f"index {index.name} ({index.sql})"
        for dependent in self.table.dependents:
            if dependent.foreign_key is not None and not added_again.isdisjoint(dependent.columns):
                yield dependent.name

    @property
    def _is_added_again(self) -> bool:
        """Whether the statements drop the column, after its values are stored in another if they aren't generated anew."""
        actual = self.item.actual.generated
        if self.column.generated:
            return actual is not None and not self._can_set_expression
        return actual is not None and not actual.stored

    @property
    def _can_set_expression(self) -> bool:
        """Whether the column differs in nothing but the expression that generates it, and the server can alter that."""
        declared, actual = self.column, self.item.actual
        if declared.generated is None or actual.generated is None or self.version < _SET_EXPRESSION:
            return False
        return (actual.type, actual.generated.stored) == (declared.type, declared.generated.stored)

    def _is_declared(self, item: Constraint | Index) -> bool:
        """Whether migrate adds it again, under its declared name."""
        declared: Sequence[Constraint | Index]
        declared = self._declared_table.constraints if isinstance(item, Constraint) else self._declared_table.indexes
        return any(other.name == item.name or other.signature == item.signature for other in declared)

    def _incompatible_with_type(self) -> Iterator[str]:
        for constraint in self._incompatible_constraints():
            if not self._is_replaceable(constraint):
                yield f"constraint {constraint.name} ({constraint.sql})"
        for index in self._incompatible_indexes():
            if not self._is_declared(index):
                yield f"index {index.name} ({index.sql})"
        for dependent in self._foreign_keys_to_it():
            table = self.declared.tables.get(dependent.relation)
            if table is None or table.constraint(dependent.foreign_key or "") is None:
                yield dependent.name

    @property
    def _changes_family(self) -> bool:
        return family(self.item.actual.type) != family(self.column.type)

    def _incompatible_constraints(self) -> list[Constraint]:
        """Return the table's foreign keys, and the checks, that may not hold for the new type."""
        if not self._changes_family:
            return []
        of_column = [c for c in self.table.constraints if self.column.name in c.columns]
        return [
            c
            for c in of_column
            if c.kind in (ConstraintKind.FOREIGN_KEY, ConstraintKind.EXCLUSION)
            or (c.kind is ConstraintKind.CHECK and not re.fullmatch(r"CHECK \(\([^()]+ IS NOT NULL\)\)", c.definition))
        ]

    def _is_replaceable(self, constraint: Constraint) -> bool:
        """Whether migrate adds it again, or a boolean can't break it."""
        if self._is_declared(constraint):
            return True
        return self.column.type == "boolean" and _allows_0_and_1(constraint, self.column.name)

    def _incompatible_indexes(self) -> list[Index]:
        if not self._changes_family:
            return []
        return [
            index
            for index in self.table.indexes
            if index.constraint is None
            and self.column.name in index.columns
            and not _PLAIN_INDEX.fullmatch(index.definition)
        ]

    def _foreign_keys_to_it(self) -> list[Dependent]:
        if not self._changes_family:
            return []
        own = [c.name for c in self._incompatible_constraints()]
        return [
            dependent
            for dependent in self.table.dependents
            if dependent.foreign_key is not None
            and self.column.name in dependent.columns
            and not (dependent.relation == self.table.name and dependent.foreign_key in own)
        ]

    # The statements

    @property
    def _conversion(self) -> Conversion | None:
        declared, actual = self.column, self.item.actual
        if declared.generated or (actual.generated and not actual.generated.stored):
            return Conversion(self.name)  # its values aren't converted
        return conversion(declared, actual, self.version)

    def _statements(self, converted: Conversion) -> list[str]:
        return [*self._drop_others(), *self._alter(converted), *self._create_others()]

    def _drop_others(self) -> Iterator[str]:
        """Yield what drops the others. The remedy of another column may have dropped what migrate adds again."""
        for dependent in reversed(self._dependents):
            yield from dependent.drop
        for dependent in self._foreign_keys_to_it():
            yield from dependent.drop
        for index in self._incompatible_indexes():
            yield f"DROP INDEX IF EXISTS {identifier(self.table.schema, index.name)}"
        for column in self._generated_from_it:
            yield self._alter_table(f"DROP COLUMN IF EXISTS {identifier(column.name)}")

    def _create_others(self) -> Iterator[str]:
        for column in self._generated_from_it:
            declared = self._declared_table.columns[column.name]
            yield self._alter_table(f"ADD COLUMN {identifier(column.name)} {declared.definition}")
        for dependent in self._dependents:
            yield from dependent.create

    def _alter_table(self, *clauses: str) -> str:
        return f"ALTER TABLE {self.table.sql_name} {', '.join(clauses)}"

    def _alter(self, converted: Conversion) -> list[str]:
        if self.column.generated:
            return self._generate_otherwise()
        if self.item.actual.generated and not self.item.actual.generated.stored:
            return self._store_values()
        drops = [drop_constraint(constraint.name, if_exists=True) for constraint in self._incompatible_constraints()]
        clauses = [*drops, *self._type_clauses(converted)]
        # In a statement of its own: a generated column's type can't be altered with USING.
        first = [self._alter_table(f"ALTER COLUMN {self.name} DROP EXPRESSION")] if self.item.actual.generated else []
        return [*first, *([self._alter_table(*clauses)] if clauses else [])]

    def _type_clauses(self, converted: Conversion) -> Iterator[str]:
        alter, declared, actual = f"ALTER COLUMN {self.name}", self.column, self.item.actual
        keeps_generator = declared.identity and actual.generates_keys and is_integer(actual.type)
        if actual.identity and not keeps_generator:
            yield f"{alter} DROP IDENTITY"
        if actual.default is not None and not keeps_generator:
            yield f"{alter} DROP DEFAULT"
        if (actual.type, actual.collation) != (declared.type, declared.collation):
            collate = f" COLLATE {declared.collation}" if declared.collation else ""
            using = "" if converted.expression == self.name else f" USING {converted.expression}"
            yield f"{alter} TYPE {declared.type}{collate}{using}"
        default = declared.default if keeps_generator else self._default
        if default is not None:
            yield f"{alter} SET DEFAULT {default}"

    @property
    def _default(self) -> str | None:
        """Return the declared default, or else the present one, converted, where a migration's own SQL may have set it."""
        declared, actual = self.column, self.item.actual
        if declared.default is not None or actual.default is None or not declared.may_be_stricter:
            return declared.default
        converted = conversion(declared, actual, self.version, f"({actual.default})")
        return None if converted is None else converted.expression

    def _store_values(self) -> list[str]:
        """Make a virtual generated column an ordinary one: its values are stored by a column that is generated alike."""
        actual = self.item.actual
        assert actual.generated is not None  # that is why  # noqa: S101
        helper = identifier(helper_name(HelperRole.NEW, self.table.name, self.column.name))
        stored = f"{actual.type} GENERATED ALWAYS AS ({actual.generated.expression}) STORED"
        return [
            self._alter_table(f"ADD COLUMN {helper} {stored}"),
            self._alter_table(f"ALTER COLUMN {helper} DROP EXPRESSION", f"DROP COLUMN {self.name}"),
            f"ALTER TABLE {self.table.sql_name} RENAME COLUMN {helper} TO {self.name}",
        ]

    def _generate_otherwise(self) -> list[str]:
        declared, actual = self.column, self.item.actual
        assert declared.generated is not None  # that is why  # noqa: S101
        if actual.generated is None:
            kept = identifier(self._kept_name)
            return [
                f"ALTER TABLE {self.table.sql_name} RENAME COLUMN {self.name} TO {kept}",
                self._alter_table(f"ALTER COLUMN {kept} DROP NOT NULL"),
                self._alter_table(f"ADD COLUMN {self.name} {declared.definition}"),
            ]
        if self._can_set_expression:
            return [self._alter_table(f"ALTER COLUMN {self.name} SET EXPRESSION AS ({declared.generated.expression})")]
        return [self._alter_table(f"DROP COLUMN {self.name}", f"ADD COLUMN {self.name} {declared.definition}")]

    @property
    def _kept_name(self) -> str:
        name = with_suffix(self.column.name, "_before")
        return name if name not in self.table.columns else with_suffix(self.column.name, "_before_too")

    @property
    def _kept_column_hint(self) -> str:
        if self.column.generated and not self.item.actual.generated:
            return f"The present values stay in the column {self._kept_name}: drop it once nobody needs them."
        return ""


def _allows_0_and_1(constraint: Constraint, column: str) -> bool:
    """Whether a check demands that an integer is 0 or 1, or between them."""
    if constraint.kind is not ConstraintKind.CHECK or constraint.columns != (column,):
        return False
    condition = constraint.definition.replace(identifier(column), column).replace("'", "")
    condition = re.sub(r"::(smallint|integer|bigint)(\[\])?", "", condition)
    name = re.escape(column)
    forms = (
        rf"CHECK \(\({name} = ANY \(\(?ARRAY\[(0, 1|1, 0)\]\)?\)\)\)",
        rf"CHECK \(\(\({name} = 0\) OR \({name} = 1\)\)\)",
        rf"CHECK \(\(\({name} = 1\) OR \({name} = 0\)\)\)",
        rf"CHECK \(\(\({name} >= 0\) AND \({name} <= 1\)\)\)",
    )
    return any(re.fullmatch(form, condition) for form in forms)


def _cost(actual: Column, declared: Column) -> str:
    if actual.generated_stored and not declared.generated and actual.type == declared.type:
        return "it no longer generates its values, and keeps those that it has."
    if is_free_widening(actual, declared):
        return "it changes only the catalog."
    if actual.type == declared.type and not (declared.generated or actual.generated):
        return "it rebuilds the indexes on it under a lock that blocks readers."
    return "it rewrites the whole table under a lock that blocks readers."
