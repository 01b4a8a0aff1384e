-- about: pgloader: keys and some references are bigint
-- source: https://github.com/dimitri/pgloader/issues/307
-- want: converge
-- slow: yes
ALTER TABLE clinics ALTER id TYPE bigint; ALTER TABLE patients ALTER clinic_id TYPE bigint, ALTER id TYPE bigint; ALTER TABLE medical_records ALTER patient_id TYPE bigint;
ALTER TABLE medical_records ALTER id TYPE bigint;
--# check
SELECT count(*) = 200 FROM medical_records;
