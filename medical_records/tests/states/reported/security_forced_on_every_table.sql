-- about: row security is forced on every table, without policies
-- source: https://github.com/tack0sim/family-ai-assist/issues/3
-- want: refuse
-- code: row-level-security
-- slow: yes
-- superuser: converge
DO $$ DECLARE r regclass; BEGIN FOR r IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', r); END LOOP; END $$;
DROP INDEX idx_medical_records_created; 
