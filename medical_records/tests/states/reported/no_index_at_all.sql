-- about: no index but those of constraints
-- source: https://github.com/mastodon/mastodon/issues/14443
-- want: converge
-- slow: yes
DO $$ DECLARE i regclass; BEGIN FOR i IN SELECT indexrelid FROM pg_index JOIN pg_class ON oid = indrelid WHERE relnamespace = 'public'::regnamespace AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid) LOOP EXECUTE 'DROP INDEX ' || i; END LOOP; END $$;
