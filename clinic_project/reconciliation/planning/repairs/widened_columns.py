"""Columns of smaller integers that become bigint: new columns, filled beside the application, take their places.

1. Add the new columns, with a trigger that copies the old ones into them, and a CHECK that they are equal.
2. Copy the old columns of the rows that were there before, in batches. VALIDATE the CHECK: then all rows are equal.
3. Build every index and CHECK of the old columns on the new ones, and every foreign key from or to them, and validate these.
4. In one short transaction, drop the old columns, and give the new ones and what is theirs the names of the old ones.

What is there already isn't made again, so a run that was interrupted anywhere is continued by the next one. Until 4, the
application sees no more than a column that it doesn't name.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from ...schema.model import (
    LAST,
    MAX_INTEGERS,
    Column,
    Constraint,
    ConstraintKind,
    Dependent,
    HelperRole,
    Index,
    Table,
    TriggerMode,
    Widening,
    helper_name,
    identifier,
    is_wide_name,
    literal,
    table_sql_name,
)
from ..plan import Backfill, Lock, Phase, Repair, Step
from ..renamed_columns import foreign_key_with_columns, index_with_columns, with_columns
from .indexes import comment_and_cluster_mark
from .renames import rename_constraint, rename_index
from .steps import (
    add_key_using_index,
    alter_table,
    alterations,
    build_index,
    drop_constraint,
    drop_index,
    validate_constraint,
)

#: NOT NULL is a constraint with a name since this release.
_NAMED_NOT_NULL = 180000


def wide_name(table: Table, name: str) -> str:
    """Return the name of what replaces the column, index or constraint of this name."""
    return helper_name(HelperRole.WIDE, table.name, name)


def trigger_name(table: Table) -> str:
    return LAST + wide_name(table, table.name)


_OnColumns = TypeVar("_OnColumns", Dependent, Constraint, Index)


def on_columns(columns: Sequence[str], objects: Iterable[_OnColumns]) -> Iterator[_OnColumns]:
    """Yield those of the objects that are on any of the columns."""
    return (each for each in objects if not set(columns).isdisjoint(each.columns))


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key with the table that has it."""

    table: Table
    key: Constraint


@dataclass(frozen=True)
class WidenedTable:
    """The columns of a table that become bigint together, and the foreign keys of all tables that point to them."""

    widening: Widening
    columns: tuple[str, ...]
    incoming: tuple[ForeignKey, ...]
    version: int

    @property
    def table(self) -> Table:
        return self.widening.table

    @property
    def repairs(self) -> list[Repair]:
        """What is left to do: the preparation, unless all of it is done, and the exchange."""
        steps = [*self._copied(), *self._indexes(), *self._checks(), *self._foreign_keys()]
        prepared = [self._repair(*steps)] if steps else []
        return [*prepared, self._repair(self._exchange())]

    def _repair(self, *steps: Step) -> Repair:
        return Repair(Phase.KEYS, self.table.name, self.columns, steps)

    @cached_property
    def _wide(self) -> dict[str, str]:
        return {name: wide_name(self.table, name) for name in self.columns}

    @property
    def _listed(self) -> str:
        return ", ".join(self.columns)

    @property
    def _helper(self) -> str:
        """The name of the CHECK, and of the trigger's function."""
        return wide_name(self.table, self.table.name)

    @property
    def _function(self) -> str:
        return identifier(self.table.schema, self._helper)

    # New columns

    def _copied(self) -> Iterator[Step]:
        check = self.table.constraint(self._helper)
        if check is None:
            yield self._addition()
        if check is None or not check.validated:
            yield from map(self._backfill, self.columns)
            reason = f"validate that the copies of {self._listed} are equal"
            yield validate_constraint(self.table, self._helper, reason)

    def _addition(self) -> Step:
        trigger, table = identifier(trigger_name(self.table)), self.table.sql_name
        columns = ", ".join(f"ADD COLUMN {identifier(new)} bigint" for new in self._wide.values())
        copies = " ".join(f"NEW.{identifier(new)} := NEW.{identifier(old)};" for old, new in self._wide.items())
        function = (
            f"{self._function}() RETURNS trigger LANGUAGE plpgsql AS {literal(f'BEGIN {copies} RETURN NEW; END')}"
        )
        events = f"BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW"
        check = f"ADD CONSTRAINT {identifier(self._helper)} CHECK ({self._equal}) NOT VALID"
        return Step(
            (
                *alterations(self.table, [columns]),
                f"CREATE OR REPLACE FUNCTION {function}",
                f"CREATE TRIGGER {trigger} {events} EXECUTE FUNCTION {self._function}()",
                TriggerMode.ALWAYS.statement(table, trigger_name(self.table)),
                *alterations(self.table, [check]),
            ),
            self.table.name,
            Lock.ACCESS_EXCLUSIVE,
            f"add bigint copies of {self._listed}, with a trigger that fills them",
            relations=(table,),
        )

    @property
    def _equal(self) -> str:
        """The condition that the copies are equal, from which PostgreSQL also concludes where they aren't NULL."""
        return " AND ".join(
            f"{identifier(new)} = {identifier(old)} AND {identifier(new)} IS NOT NULL"
            if self.table.columns[old].not_null
            else f"{identifier(new)} IS NOT DISTINCT FROM {identifier(old)}"
            for old, new in self._wide.items()
        )

    def _backfill(self, column: str) -> Step:
        new = self._wide[column]
        others = ((identifier(wide), identifier(old)) for old, wide in self._wide.items() if old != column)
        backfill = Backfill(
            self.table.sql_name,
            identifier(new),
            identifier(column),
            tuple(others),
            tuple(t for t in self.table.update_triggers if not t.columns or new in t.columns),
            key=() if self.table.primary_key is None else tuple(map(identifier, self.table.primary_key.columns)),
            copies=True,
        )
        return Step(
            (backfill.update,),
            self.table.name,
            Lock.ROW_EXCLUSIVE,
            f"copy {column} to its bigint copy, in batches",
            relations=(self.table.sql_name,),
            backfill=backfill,
            scans=True,
        )

    # What is on the columns

    @property
    def _on_columns(self) -> list[Index]:
        return [index for index in self.table.indexes if not is_wide_name(index.name) and self._is_on_columns(index)]

    def _is_on_columns(self, index: Index) -> bool:
        if index.constraint is None:
            return not set(self.columns).isdisjoint(index.columns)
        # That of a constraint depends on it. It is on columns alone, those that it only includes as well.
        return index_with_columns(index, self._wide) != index.definition

    def _constraints(self, kind: ConstraintKind) -> list[Constraint]:
        found = on_columns(self.columns, self.table.constraints_of([kind]))
        return [constraint for constraint in found if not is_wide_name(constraint.name)]

    def _indexes(self) -> Iterator[Step]:
        for index in self._on_columns:
            name = wide_name(self.table, index.name)
            built = self.table.index(name)
            if built is not None and built.valid:
                continue
            if built is not None:
                yield drop_index(self.table, name, f"drop the unfinished copy of {index.name}")
            predicate = None if index.predicate is None else with_columns(index.predicate, self._wide)
            copy = replace(index, definition=index_with_columns(index, self._wide), predicate=predicate)
            yield build_index(self.table, copy, name, f"build {index.name} on the bigint copies", None)

    def _checks(self) -> Iterator[Step]:
        for check in self._constraints(ConstraintKind.CHECK):
            definition = with_columns(check.definition, self._wide)
            yield from self._added(self.table, check, definition, Lock.ACCESS_EXCLUSIVE)

    @property
    def _all_foreign_keys(self) -> list[ForeignKey]:
        own = [ForeignKey(self.table, key) for key in self._constraints(ConstraintKind.FOREIGN_KEY)]
        known = {key.key.name for key in own}
        return [
            *own,
            *(key for key in self.incoming if key.table.name != self.table.name or key.key.name not in known),
        ]

    def _foreign_keys(self) -> Iterator[Step]:
        for foreign_key in self._all_foreign_keys:
            table, key = foreign_key.table, foreign_key.key
            own = self._wide if table.name == self.table.name else {}
            target = self._wide if key.target is not None and key.target[1] == self.table.name else {}
            definition = foreign_key_with_columns(key, own, target)
            yield from self._added(table, key, definition, Lock.SHARE_ROW_EXCLUSIVE)

    def _added(self, table: Table, constraint: Constraint, definition: str, lock: Lock) -> Iterator[Step]:
        """Yield what adds the copy of a constraint, NOT VALID, and validates it if the constraint is validated."""
        name = wide_name(table, constraint.name)
        added = table.constraint(name)
        if added is None:
            clause = f"ADD CONSTRAINT {identifier(name)} {definition} NOT VALID"
            reason = f"add {constraint.name} for the bigint copies, NOT VALID"
            yield alter_table(table, reason, clause, lock=lock, parent=constraint.target)
        if constraint.validated and not (added is not None and added.validated):
            yield validate_constraint(table, name, f"validate {constraint.name} for the bigint copies")

    # The exchange

    def _exchange(self) -> Step:
        """Return the transaction in which the new columns take the places of the old ones. It reads and writes no rows."""
        dependents = self._dependents
        views = [dependent for dependent in dependents if dependent.level]
        others = [dependent for dependent in dependents if not dependent.level]
        parents = {table_sql_name(*key.target) for key in self._constraints(ConstraintKind.FOREIGN_KEY) if key.target}
        # As statements of others lock them: those that reference the table before it, those that it references after it.
        children = dict.fromkeys(key.table.sql_name for key in self.incoming if key.table.name != self.table.name)
        locked = (*children, self.table.sql_name)
        relations = tuple(dict.fromkeys((*locked, *sorted(parents))))
        return Step(
            (
                _shared_lock_timeout(len(views) + len(relations)),
                # First, as whoever reads one locks it before the table.
                *(statement for view in reversed(views) for statement in view.drop),
                f"LOCK TABLE {', '.join(locked)} IN ACCESS EXCLUSIVE MODE",
                *(statement for dependent in others for statement in dependent.drop),
                *(s for k in self._all_foreign_keys for s in alterations(k.table, [drop_constraint(k.key.name)])),
                *(s for name in self.columns for s in self._taken_over(self.table.columns[name])),
                f"DROP TRIGGER {identifier(trigger_name(self.table))} ON {self.table.sql_name}",
                f"DROP FUNCTION {self._function}()",
                *alterations(self.table, [f"DROP COLUMN {identifier(name)}" for name in self.columns]),
                *alterations(
                    self.table,
                    [f"RENAME COLUMN {identifier(new)} TO {identifier(old)}" for old, new in self._wide.items()],
                ),
                *self._named(),
                *self.widening.restore,
                *(statement for dependent in dependents for statement in dependent.create),
            ),
            self.table.name,
            Lock.ACCESS_EXCLUSIVE,
            f"make {self._listed} bigint",
            relations=relations,
        )

    @property
    def _dependents(self) -> list[Dependent]:
        """What is created again: views after those that they read."""
        found = (d for d in self.table.dependents if d.foreign_key is None)
        return sorted(on_columns(self.columns, found), key=lambda d: d.level)

    def _taken_over(self, column: Column) -> Iterator[str]:
        """Yield what gives the new column the old one's NOT NULL, and its default or its generator of keys."""
        new = self._wide[column.name]
        if column.not_null and self.version >= _NAMED_NOT_NULL:
            yield from alterations(
                self.table, [f"ADD CONSTRAINT {identifier(wide_name(self.table, new))} NOT NULL {identifier(new)}"]
            )
        elif column.not_null:
            yield from alterations(self.table, [f"ALTER COLUMN {identifier(new)} SET NOT NULL"])
        if column.identity:
            yield from self._identity(column, new)
            return
        if column.sequence is not None and column.sequence.max_value < MAX_INTEGERS["bigint"]:
            yield f"ALTER SEQUENCE {column.sequence.name} AS bigint NO MAXVALUE"
        if column.sequence is not None and column.sequence.owned:
            yield f"ALTER SEQUENCE {column.sequence.name} OWNED BY {self.table.sql_name}.{identifier(new)}"
        if column.default is not None:
            yield from alterations(self.table, [f"ALTER COLUMN {identifier(new)} SET DEFAULT {column.default}"])

    def _identity(self, column: Column, new: str) -> Iterator[str]:
        """Yield what gives the new column a sequence of the same name and options that goes on where the old one is."""
        assert column.sequence is not None  # an identity has one  # noqa: S101
        aside = wide_name(self.table, f"{column.name} sequence")
        options = self.widening.identities[column.name]
        # This also locks it against whoever calls nextval() without the table.
        yield f"ALTER SEQUENCE {column.sequence.name} RENAME TO {identifier(aside)}"
        generated = f"ALTER COLUMN {identifier(new)} ADD {column.identity.sql} {options}"
        yield from alterations(self.table, [generated])
        yield (
            f"SELECT setval({literal(column.sequence.name)}, last_value, is_called)"
            f" FROM {identifier(column.sequence.schema, aside)}"
        )
        yield from alterations(self.table, [f"ALTER COLUMN {identifier(column.name)} DROP IDENTITY"])

    def _named(self) -> Iterator[str]:
        """Yield what gives the copies of indexes and constraints the names of those that the old columns took with them."""
        keys = {constraint.name: constraint for constraint in self.table.constraints if constraint.kind.is_key}
        for index in self._on_columns:
            name = wide_name(self.table, index.name)
            if index.constraint is not None:
                yield from alterations(self.table, [add_key_using_index(keys[index.constraint], name)])
            else:
                yield rename_index(self.table.schema, name, index.name)
            if index.replica_identity:
                yield from alterations(self.table, [f"REPLICA IDENTITY USING INDEX {identifier(index.name)}"])
            yield from comment_and_cluster_mark(self.table, index, index)
        for check in self._constraints(ConstraintKind.CHECK):
            yield rename_constraint(self.table, wide_name(self.table, check.name), check.name)
        for each in self._all_foreign_keys:
            yield rename_constraint(each.table, wide_name(each.table, each.key.name), each.key.name)
        for column in map(self.table.columns.__getitem__, self.columns):
            if column.not_null_name is not None:
                added = wide_name(self.table, self._wide[column.name])
                yield rename_constraint(self.table, added, column.not_null_name)


def _shared_lock_timeout(count: int) -> str:
    """Return the query after which so many locks, one after the other, are waited for no longer than one was before."""
    seconds = "extract(epoch FROM current_setting('lock_timeout')::interval)"
    return f"SELECT set_config('lock_timeout', greatest(1, 1000 * {seconds} / {count})::int::text, true)"


def under_way(table: Table, columns: Sequence[str]) -> tuple[str, ...]:
    """Return those of the columns that an earlier run has begun to replace."""
    return tuple(name for name in columns if wide_name(table, name) in table.columns)
