"""Rows of a believable clinic."""

from clinic_project.reconciliation.tests.support.databases import Database

#: Rows in each of the nine tables.
ROWS = 240

NAMES = "ARRAY['Łukasz Żółć', '王小明', 'Ñandú Íñigo', 'O''Brien', 'Søren Ærø', 'محمد', 'Zoë 🩺', 'straße']"

# The tables' own generators give keys from 1 to ROWS; everything else is computed from `n`.
_ROWS = """
INSERT INTO users (email, password, last_login, is_staff, created_at, updated_at)
SELECT format('user%s@clinic.example', n), 'pbkdf2$' || md5(n::text), CASE n % 3 WHEN 0 THEN moment END, n % 10 = 0,
       moment, moment
FROM numbers;
INSERT INTO clinics (name, is_active, created_at, updated_at)
SELECT format('%s診所 %s', name, n), n % 9 <> 0, moment, moment FROM numbers;
INSERT INTO user_clinic_associations (user_id, clinic_id, full_name, title, roles, created_at, updated_at)
SELECT n, 1 + n % 12, name, CASE n % 4 WHEN 0 THEN '醫師' ELSE '' END,
       CASE n % 5 WHEN 0 THEN '["admin", "practitioner"]'::jsonb ELSE '[]' END, moment, moment
FROM numbers;
INSERT INTO patients (clinic_id, full_name, phone_number, birthday, gender, notes, is_deleted, deleted_at, created_at)
SELECT 1 + n % 12, name || ' ' || n, CASE WHEN n % 4 > 0 THEN format('09%s', 10000000 + n) END,
       CASE WHEN n % 6 > 0 THEN date '1950-01-01' + n * 97 END, CASE n % 3 WHEN 0 THEN 'female' WHEN 1 THEN 'male' END,
       CASE WHEN n % 5 = 0 THEN E'allergic to\\tpenicillin\\n— since 2003' END, n % 20 = 0,
       CASE WHEN n % 20 = 0 THEN moment END, moment
FROM numbers;
INSERT INTO calendar_events (user_id, clinic_id, event_type, date, start_time, end_time, created_at, updated_at)
SELECT n, 1 + n % 12, 'appointment', date '2025-06-01' + n, time '09:00' + n * interval '1 minute',
       CASE WHEN n % 7 > 0 THEN time '09:30' + n * interval '1 minute' END, moment, moment
FROM numbers;
INSERT INTO appointments (calendar_event_id, patient_id, status, notes)
SELECT n, n, CASE n % 3 WHEN 0 THEN 'canceled_by_patient' ELSE 'confirmed' END,
       CASE WHEN n % 2 = 0 THEN '初診 ' || n END
FROM numbers;
INSERT INTO medical_record_templates
    (clinic_id, name, description, fields, version, is_deleted, deleted_at, created_at, created_by_user_id, updated_at)
SELECT 1 + n % 12, format('評估 %s', n), CASE WHEN n % 3 = 0 THEN 'Ünïcode' END,
       jsonb_build_array(jsonb_build_object('id', md5(n::text)::uuid, 'label', name, 'type', 'radio',
                                            'required', n % 2 = 0, 'options', '["是", "否"]'::jsonb, 'order', n / 7)),
       1 + n % 4, n % 15 = 0, CASE WHEN n % 15 = 0 THEN moment END, moment, CASE WHEN n % 4 > 0 THEN n END,
       CASE WHEN n % 2 = 0 THEN moment + interval '1 day' END
FROM numbers;
INSERT INTO medical_records
    (clinic_id, patient_id, template_id, template_name, appointment_id, template_snapshot, values, version, is_deleted,
     deleted_at, created_at, updated_at, created_by_user_id, updated_by_user_id)
SELECT 1 + n % 12, n, n, format('評估 %s', n), CASE WHEN n % 3 > 0 THEN n END,
       jsonb_build_object('name', name, 'fields', '[]'::jsonb),
       jsonb_build_object(md5(n::text), ARRAY[name, NULL, '1e400']),
       1 + n % 3, n % 11 = 0, CASE WHEN n % 11 = 0 THEN moment END, moment, moment, n, CASE WHEN n % 2 = 0 THEN n END
FROM numbers;
INSERT INTO patient_photos
    (clinic_id, patient_id, medical_record_id, filename, storage_key, thumbnail_key, content_hash, content_type,
     size_bytes, description, is_pending, is_deleted, deleted_at, created_at, updated_at, uploaded_by_user_id)
SELECT 1 + n % 12, n, CASE WHEN n % 4 > 0 THEN n END, format('傷口 %s.jpg', n), 'photos/' || md5(n::text),
       CASE WHEN n % 2 = 0 THEN 'thumbs/' || md5(n::text) END, CASE WHEN n % 8 > 0 THEN md5((n / 2)::text) END,
       'image/jpeg', n * 1013, CASE WHEN n % 3 = 0 THEN name END, n % 4 = 0, n % 13 = 0,
       CASE WHEN n % 13 = 0 THEN moment END, moment, CASE WHEN n % 5 = 0 THEN moment END, CASE WHEN n % 6 > 0 THEN n END
FROM numbers;
"""
_NUMBERS = f"""
CREATE TEMPORARY VIEW numbers AS
SELECT n, ({NAMES})[1 + n % 8] AS name, timestamptz '2025-03-01 08:00+00' + n * interval '37 minutes' AS moment
FROM generate_series(1, {ROWS}) AS n
"""


def insert_rows(database: Database) -> None:
    """Insert ROWS rows into each of the nine tables."""
    with database.cursor() as cursor:
        cursor.execute(_NUMBERS)
        cursor.execute(_ROWS)
