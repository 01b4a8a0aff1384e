"""Until when what is a patient's is retained: functions of the database, which `audit_destroy` asks.

RETENTION_YEARS after the last change; of a patient who was a minor then, that long after they come of age. The years
are in the functions themselves, so that nobody who may call these chooses them, and `migrate` changes them.

What a row says of its own times is believed as long as nobody has set them back: the history has what they were, and
all patients whose the row has been. So has it the birthdays; one that was corrected counts for RETENTION_YEARS more,
and not for ever.
"""

from typing import Any

from django.conf import settings
from django.db import models

from clinic_project.audit.functions import RETAINED_UNTIL
from clinic_project.reconciliation.triggers import PROJECT_SCHEMA, Function

_IN_ISO_8601 = r"^\d{4}-[01]\d-[0-3]\d(?:T[0-2]\d:[0-5]\d:[0-5]\d(?:\.\d+)?(?:[+-]\d\d:\d\d)?)?"


def _kept(name: str, kind: str) -> str:
    """Return the SQL of a date or a time that an entry of the history kept: NULL for what a damaged column had."""
    return f"substring(kept ->> '{name}' FROM '{_IN_ISO_8601}')::{kind}"


_TIMES_KEPT = ", ".join(_kept(name, "timestamptz") for name in ("created_at", "updated_at", "deleted_at"))


# What is in use isn't over: as if it had been changed just now.
_OF_PHOTO = """
SELECT CASE
    WHEN photo.is_pending AND NOT EXISTS (
        SELECT 1 FROM audit_history
        WHERE table_name = 'patient_photos' AND audit_history.row_id = photo.id AND kept ->> 'is_pending' = 'false'
    ) THEN NULL
    ELSE patient_retained_until(
        'patient_photos', photo.id,
        CASE WHEN photo.is_deleted OR record.is_deleted THEN greatest(photo.created_at, photo.updated_at, photo.deleted_at)
        ELSE now() END,
        photo.patient_id
    )
END
FROM patient_photos AS photo LEFT JOIN medical_records AS record ON record.id = photo.medical_record_id
WHERE photo.id = $1
"""

_OF_RECORD = """
SELECT greatest(
    patient_retained_until(
        'medical_records', record.id,
        CASE WHEN record.is_deleted THEN greatest(record.created_at, record.updated_at, record.deleted_at)
        ELSE now() END,
        record.patient_id
    ),
    (SELECT max(patient_photos_retained_until(photo.id)) FROM patient_photos AS photo WHERE medical_record_id = record.id)
)
FROM medical_records AS record WHERE record.id = $1
"""


def database_functions() -> tuple[Function, ...]:
    """Return the functions for the years of the settings."""
    years = f"interval '{settings.RETENTION_YEARS} years'"
    majority = f"interval '{settings.AGE_OF_MAJORITY} years'"
    return (
        _function(
            "retention_ends",
            "last_change timestamptz, birthday date",
            f"SELECT greatest(last_change, birthday + {majority}) + {years}",
        ),
        _function(
            "patient_retained_until",
            "source text, source_id bigint, last_change timestamptz, patient bigint",
            _of_patient(years),
        ),
        _retained_until(
            "medical_record_templates",
            f"SELECT CASE WHEN NOT is_deleted THEN now() + {years} END FROM medical_record_templates WHERE id = row_id",
        ),
        _retained_until("patient_photos", _OF_PHOTO),
        _retained_until("medical_records", _OF_RECORD),
    )


def _of_patient(years: str) -> str:
    """Return the SQL of until when a patient's row is retained: by its own history, and those of its patients."""
    return f"""
WITH entries AS (SELECT recorded_at, kept, context FROM audit_history WHERE table_name = source AND row_id = source_id),
changes AS (
    SELECT least(last_change, now()) AS at  -- now, where none is known
    UNION ALL SELECT recorded_at FROM entries WHERE position('"by"' IN context) > 0
    -- No row could say then that it would be changed later.
    UNION ALL SELECT least(said.at, recorded_at) FROM entries, greatest({_TIMES_KEPT}) AS said (at) WHERE said.at IS NOT NULL
),
patient_ids AS (
    SELECT patient AS id
    UNION SELECT (kept ->> 'patient_id')::bigint FROM entries WHERE kept ->> 'patient_id' ~ '^[0-9]{{1,18}}$'
),
birthdays AS (
    SELECT patients.birthday FROM patients JOIN patient_ids USING (id)
    UNION ALL
    SELECT {_kept("birthday", "date")} FROM audit_history
    WHERE table_name = 'patients' AND row_id IN (SELECT id FROM patient_ids)
    AND kept ? 'birthday' AND recorded_at > now() - {years}
)
SELECT retention_ends(
    (SELECT max(at) FROM changes),
    -- Nobody is born later than today.
    (SELECT max(CASE WHEN birthday > current_date THEN current_date ELSE birthday END) FROM birthdays)
)
"""


def _retained_until(table: str, body: str) -> Function:
    return _function(RETAINED_UNTIL.format(table=table), "row_id bigint", body)


def _function(name: str, arguments: str, body: str) -> Function:
    return Function(
        name,
        # PL/pgSQL keeps the plans: of a function in SQL that another one calls, each call would make them anew.
        f"BEGIN RETURN ({body}); END",
        arguments=arguments,
        returns="timestamp with time zone",
        language="plpgsql STABLE",
        search_path=("pg_catalog", PROJECT_SCHEMA, "pg_temp"),
        settings=(("TimeZone", "UTC"), ("enable_seqscan", "off")),
    )


class RetainedUntil(models.Func):
    """Until when each row of a queryset of `model` is retained: of records, photos or templates. NULL for what isn't."""

    output_field: Any = models.DateTimeField()

    def __init__(self, model: type[models.Model]) -> None:
        super().__init__(models.F("pk"), function=RETAINED_UNTIL.format(table=model._meta.db_table))


class IsRetained(RetainedUntil):
    """Whether each row of a queryset of `model` is still retained."""

    template = "coalesce(%(function)s(%(expressions)s) > now(), false)"
    output_field: Any = models.BooleanField()
