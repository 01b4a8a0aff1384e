"""Which tables are recorded, and what a recorded row looks like as text."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper

from clinic_project.reconciliation.schema.model import HELPER_NAME
from clinic_project.reconciliation.triggers import Trigger

from .functions import SAME_TEXT

RECORDING = "audit.audit_record_change"


def recorded_tables() -> list[str]:
    """Return the names of the tables whose changes are kept."""
    return tables_with(lambda trigger: trigger.function == RECORDING)


def tables_with(is_meant: Callable[[Trigger], bool]) -> list[str]:
    """Return the names of the tables of which a declared trigger `is_meant`."""
    declared = (
        (model._meta.db_table, constraint) for model in apps.get_models() for constraint in model._meta.constraints
    )
    return sorted({table for table, one in declared if isinstance(one, Trigger) and is_meant(one)})


@dataclass(frozen=True)
class Columns:
    """A recorded table's columns. `helpers` are those of a repair that is under way, which aren't recorded.

    `computed` are those that aren't stored (GENERATED ALWAYS AS … VIRTUAL), which a trigger sees as NULL.

    `has_key`: there is an `id`, of integers; else the table is damaged, and its rows aren't told apart. `added_later` are
    the columns that may have been added since an entry was made: the last one, the last two, and so on.
    """

    helpers: list[str]
    computed: list[str]
    added_later: list[list[str]]
    has_key: bool


def read_columns(connection: BaseDatabaseWrapper, table: str) -> Columns:
    """Read the columns of `table`; none where it is missing."""
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, [connection.ops.quote_name(table)])
        found = cursor.fetchall()
    helpers = [name for name, _, _ in found if re.fullmatch(HELPER_NAME, name)]
    recorded = [name for name, _, _ in found if name not in helpers]
    return Columns(
        helpers,
        computed=[name for name, _, is_computed in found if is_computed],
        added_later=[recorded[:number] for number in range(1, len(recorded))],
        has_key=any(name == "id" and is_integer for name, is_integer, _ in found),
    )


_COLUMNS = """
    SELECT attname, atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype), attgenerated = 'v'
    FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum DESC
"""


_SAME_TEXT = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in SAME_TEXT)


def set_same_text(connection: BaseDatabaseWrapper) -> None:
    """Set, until the transaction ends, what the text of a row and of an entry depends on."""
    with connection.cursor() as cursor:
        cursor.execute(_SAME_TEXT)
