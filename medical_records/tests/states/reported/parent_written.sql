-- about: a session has inserted a parent
-- source: https://github.com/nyaruka/rapidpro/pull/1892
-- want: refuse
-- code: locked
-- says: {pid}
ALTER TABLE medical_records DROP CONSTRAINT medical_records_patient_id_a9bed619_fk_patients_id;
--# hold
INSERT INTO patients (clinic_id, full_name) VALUES (1, 'new')
