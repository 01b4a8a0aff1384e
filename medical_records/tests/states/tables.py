"""The tables of the two apps, parents first."""

TABLES = (
    "users",
    "clinics",
    "user_clinic_associations",
    "patients",
    "calendar_events",
    "appointments",
    "medical_record_templates",
    "medical_records",
    "patient_photos",
)
MEDICAL_TABLES = TABLES[-3:]
#: Each change of their rows is kept in the history.
RECORDED_TABLES = ("user_clinic_associations", "patients", *MEDICAL_TABLES)
