"""Damage to two or three tables that `migrate` repairs with rows in place."""

#: It needs a few statements on two tables.
SMALL_DAMAGE = (
    "DROP INDEX idx_medical_records_created, idx_patient_photos_dedup",
    "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL, ALTER version DROP DEFAULT",
    "UPDATE medical_records SET is_deleted = NULL WHERE id % 3 = 0",
    "ALTER TABLE patient_photos DROP COLUMN updated_by_user_id",
)
#: It keeps `migrate` at work for a while: to be killed, or to be run several times at once.
LARGE_DAMAGE = (
    "DROP INDEX idx_medical_records_created, idx_patient_photos_dedup, idx_medical_records_clinic",
    "CREATE INDEX idx_medical_records_clinic ON medical_records (patient_id)",
    "ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL, ALTER version DROP DEFAULT",
    "UPDATE medical_records SET is_deleted = NULL WHERE id % 3 = 0",
    "ALTER TABLE patient_photos DROP COLUMN updated_by_user_id, DROP CONSTRAINT patient_photos_pkey",
    "ALTER TABLE medical_record_templates ALTER name TYPE varchar(200)",
)
#: To the history, beside these.
HISTORY_DAMAGE = (
    "DROP FUNCTION audit_record_change() CASCADE",
    "DROP INDEX idx_audit_history_row",
    'ALTER TABLE patient_photos DISABLE TRIGGER "00_patient_photos_no_truncate"',
)
#: What both let `migrate` backfill, and with what.
BACKFILLED = {"medical_records.is_deleted": "false"}
