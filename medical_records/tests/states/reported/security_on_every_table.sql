-- about: row security is enabled on every table, without policies: the owner passes it
-- source: https://github.com/YosemiteCrew/Yosemite-Crew/pull/2260
-- want: converge
-- slow: yes
DO $$ DECLARE r regclass; BEGIN FOR r IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', r); END LOOP; END $$;
DROP INDEX idx_medical_records_created; ALTER TABLE medical_records ALTER version DROP DEFAULT;
