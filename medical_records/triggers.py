"""The triggers that keep what is signed: see `functions`."""

from clinic_project.reconciliation.triggers import Trigger

RECORD_TRIGGER = Trigger(
    name="medical_records_keep_signed",
    function="medical_records.medical_records_keep_signed",
    events=["UPDATE", "DELETE"],
    condition="OLD.signed_at IS NOT NULL",
)

PHOTO_TRIGGER = Trigger(
    name="patient_photos_keep_signed",
    function="medical_records.patient_photos_keep_signed",
    events=["INSERT", "UPDATE", "DELETE"],
)
