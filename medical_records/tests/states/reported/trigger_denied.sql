-- about: the function of a trigger reads a schema that the role may not use; NULLs are to be filled
-- source: https://github.com/hasura/graphql-engine/issues/4199 , https://github.com/supabase/supabase/issues/21825
-- want: refuse
-- superuser: converge
-- code: statement-failed
-- keeps: medical_records.is_deleted
CREATE SCHEMA hdb; CREATE TABLE hdb.events (at timestamptz);
CREATE FUNCTION notify_hdb() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM count(*) FROM hdb.events; RETURN NULL; END $$;
CREATE TRIGGER hdb_notify AFTER UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION notify_hdb();
ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL;
ALTER TABLE medical_records DISABLE TRIGGER hdb_notify; UPDATE medical_records SET is_deleted = NULL WHERE id < 4; ALTER TABLE medical_records ENABLE TRIGGER hdb_notify;
