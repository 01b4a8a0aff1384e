"""What is different between a declared schema and the real one, and what that has beside it: all data."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..schema.model import Schema


class Kind(StrEnum):
    """What is different. The values are part of the `--json` output."""

    TABLE_MISSING = "table-missing"
    TABLE_NOT_A_TABLE = "table-not-a-table"
    TABLE_UNLOGGED = "table-unlogged"
    COLUMN_MISSING = "column-missing"
    COLUMN_TYPE = "column-type"
    COLUMN_NULLABLE = "column-nullable"
    COLUMN_NOT_NULL = "column-not-null"
    COLUMN_NOT_NULL_UNVALIDATED = "column-not-null-unvalidated"
    COLUMN_NOT_NULL_NO_INHERIT = "column-not-null-no-inherit"
    COLUMN_NOT_NULL_NAME = "column-not-null-name"
    COLUMN_DEFAULT = "column-default"
    KEY_INDEX_INVALID = "key-index-invalid"
    KEY_WITHOUT_GENERATOR = "key-without-generator"
    KEY_ALWAYS_GENERATED = "key-always-generated"
    SEQUENCE_NOT_OWNED = "sequence-not-owned"
    SEQUENCE_LIMIT = "sequence-limit"
    SEQUENCE_BEHIND = "sequence-behind"
    INDEX_MISSING = "index-missing"
    INDEX_NAME = "index-name"
    INDEX_INVALID = "index-invalid"
    INDEX_DEFINITION = "index-definition"
    INDEX_PARAMETERS = "index-parameters"
    CONSTRAINT_MISSING = "constraint-missing"
    CONSTRAINT_NAME = "constraint-name"
    CONSTRAINT_DEFINITION = "constraint-definition"
    CONSTRAINT_UNVALIDATED = "constraint-unvalidated"
    CONSTRAINT_DEFERRABILITY = "constraint-deferrability"
    LEFTOVER = "leftover"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing to bring about. `expected` and `actual` speak to people; the objects are what a repair starts from.

    `wanted` is the declared column, index or constraint; `found` the real one that can become it (for a constraint also
    an index); `holder` a wrong one in its way, because it has the wanted name, or contradicts the wanted foreign key.
    Where something is missing, `holder` is one that has its name now and gets its own by the same plan.
    """

    table: str
    kind: Kind
    name: str
    expected: str
    actual: str
    wanted: Any = None
    found: Any = None
    holder: Any = None


@dataclass(frozen=True, slots=True)
class Extra:
    """Something real that no model declares. It is left alone. `warning` says what it may break, or costs."""

    table: str
    kind: str
    name: str
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Differences:
    expected: Schema
    actual: Schema
    items: tuple[Difference, ...]
    extras: tuple[Extra, ...]

    def __len__(self) -> int:
        return len(self.items)

    def of(self, table: str, *kinds: Kind) -> list[Difference]:
        return [item for item in self.items if item.table == table and item.kind in kinds]
