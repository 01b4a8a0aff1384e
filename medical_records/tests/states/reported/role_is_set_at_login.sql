-- about: the role is set to the owner at login, as for users that are made by the hour
-- source: https://github.com/CyferShepard/Jellystat/pull/250
-- want: converge
-- slow: yes
DO $$ BEGIN CREATE ROLE clinic_owners NOLOGIN; GRANT clinic_owners TO clinic; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
ALTER ROLE clinic IN DATABASE :db SET role = 'clinic_owners';
DO $$ DECLARE r regclass; BEGIN FOR r IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP EXECUTE format('ALTER TABLE %s OWNER TO clinic_owners', r); END LOOP; END $$;
DO $$ DECLARE f regprocedure; BEGIN FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace LOOP EXECUTE format('ALTER FUNCTION %s OWNER TO clinic_owners', f); END LOOP; END $$;
ALTER TABLE medical_records ALTER version DROP DEFAULT; DROP INDEX idx_medical_records_created; ALTER SCHEMA public OWNER TO clinic_owners; ALTER DATABASE :db OWNER TO clinic_owners;
