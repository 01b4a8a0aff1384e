"""Signed records, which the database keeps as they are: what `migrate` repairs changes none of it, and passes."""

import psycopg2
import pytest

from clinic_project.reconciliation.tests.support.databases import Database
from medical_records.functions import SIGNED

from .outcomes import Expectations

pytestmark = pytest.mark.slow

SIGN = """
    UPDATE medical_records SET signed_at = now(), signed_by_user_id = 1, signed_by_name = 'Ada Lovelace',
    content_hash = md5(id::text), amended_at = now(), amendment_reason = 'The left knee' WHERE id < 100
"""
SIGNATURES = "SELECT id, signed_at, signed_by_name, content_hash FROM medical_records WHERE signed_at IS NOT NULL"


def is_refused(database: Database, statement: str) -> bool:
    try:
        database.execute(statement)
    except psycopg2.Error as error:
        return bool(error.pgcode == SIGNED)
    return False


def assert_is_kept(database: Database) -> None:
    assert is_refused(database, "UPDATE medical_records SET values = '{}' WHERE id = 2")
    assert is_refused(database, "UPDATE patient_photos SET storage_key = 'x' WHERE medical_record_id = 2 AND id = 2")


def test_nulls_of_signed_records_and_of_their_photos_are_filled(database: Database, expected: Expectations):
    columns = {
        "medical_records": ("is_deleted", "version", "updated_at"),
        "patient_photos": ("is_deleted", "is_pending"),
    }
    places = [(table, column) for table, names in columns.items() for column in names]
    database.execute(
        *(f"ALTER TABLE {table} ALTER {column} DROP NOT NULL" for table, column in places),
        *(f"UPDATE {table} SET {column} = NULL WHERE id BETWEEN 10 AND 50" for table, column in places),
        SIGN,
    )
    signatures = database.rows(SIGNATURES)
    filled = {"is_deleted": "false", "version": "1", "is_pending": "true", "updated_at": None}
    expected.converges(database, backfilled={f"{table}.{column}": filled[column] for table, column in places})
    assert sorted(database.rows(SIGNATURES)) == sorted(signatures)
    assert_is_kept(database)


@pytest.mark.parametrize(
    "damage",
    [
        'DROP TRIGGER "medical_records_keep_signed" ON medical_records',
        'ALTER TABLE patient_photos DISABLE TRIGGER "patient_photos_keep_signed"',
        "DROP FUNCTION patient_photos_keep_signed() CASCADE",
        (
            "CREATE OR REPLACE FUNCTION medical_records_keep_signed() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RETURN NULL; END'"
        ),
        "ALTER TABLE medical_records DROP COLUMN entered_in_error_at, DROP COLUMN amended_at",
        "DROP INDEX idx_medical_records_not_in_error_created, idx_medical_records_unsigned_created",
    ],
)
def test_what_keeps_them_is_put_back(database: Database, expected: Expectations, damage: str):
    database.execute(SIGN, damage)
    expected.converges(database)
    assert_is_kept(database)


def test_wider_keys_leave_them_signed(database: Database):
    database.execute(SIGN)
    signatures = sorted(database.rows(SIGNATURES))
    widened = database.manage("widen_keys", "medical_records.id", "patients.id")
    assert widened.status == 0, widened.printed
    assert sorted(database.rows(SIGNATURES)) == signatures
    assert_is_kept(database)
