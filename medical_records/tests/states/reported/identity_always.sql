-- about: keys are GENERATED ALWAYS
-- source: https://github.com/drizzle-team/drizzle-orm/issues/3210 , https://github.com/TonicAI/condenser/issues/40
-- want: converge
-- slow: yes
ALTER TABLE medical_records ALTER id SET GENERATED ALWAYS; ALTER TABLE django_migrations ALTER id SET GENERATED ALWAYS;
--# check
INSERT INTO medical_records (id, clinic_id, patient_id, template_id, template_name, template_snapshot, values) VALUES (5000, 1, 1, 1, 'x', '{}', '{}') RETURNING true;
