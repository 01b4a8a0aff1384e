-- about: a foreign key points to a copy of its parent in another schema, and not to the table that the models mean
-- source: https://github.com/bernardopires/django-tenant-schemas/issues/266 , https://github.com/django-tenants/django-tenants/issues/19
-- want: converge
-- slow: yes
CREATE SCHEMA restored AUTHORIZATION clinic; CREATE TABLE restored.patients (LIKE patients INCLUDING ALL);
ALTER TABLE restored.patients OWNER TO clinic; INSERT INTO restored.patients SELECT * FROM patients;
DO $$ DECLARE name text := (SELECT conname FROM pg_constraint WHERE conrelid = 'medical_records'::regclass AND confrelid = 'patients'::regclass);
BEGIN
    EXECUTE format('ALTER TABLE medical_records DROP CONSTRAINT %I', name);
    EXECUTE format('ALTER TABLE medical_records ADD CONSTRAINT %I FOREIGN KEY (patient_id) REFERENCES restored.patients (id)', name);
END $$;
--# check
SELECT bool_and(confrelid = 'public.patients'::regclass AND convalidated) FROM pg_constraint
WHERE conrelid = 'medical_records'::regclass AND contype = 'f' AND conname LIKE '%patient_id%'
