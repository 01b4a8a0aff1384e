-- about: a foreign key points to the rows of a copy of its parent, which a restore left in another schema
-- source: https://github.com/django-tenants/django-tenants/issues/436 , https://github.com/netbox-community/netbox-docker/issues/34
-- want: converge
-- slow: yes
CREATE SCHEMA restored; CREATE TABLE restored.patients (LIKE patients INCLUDING ALL); INSERT INTO restored.patients SELECT * FROM patients;
DO $$ DECLARE name text := (SELECT conname FROM pg_constraint WHERE conrelid = 'medical_records'::regclass AND confrelid = 'patients'::regclass);
BEGIN
    EXECUTE format('ALTER TABLE medical_records DROP CONSTRAINT %I', name);
    EXECUTE format('ALTER TABLE medical_records ADD CONSTRAINT %I FOREIGN KEY (patient_id) REFERENCES restored.patients (id)', name);
END $$;
--# check
SELECT bool_and(confrelid = 'public.patients'::regclass AND convalidated) FROM pg_constraint
WHERE conrelid = 'medical_records'::regclass AND contype = 'f' AND conname LIKE '%patient_id%'
