-- about: an append-only table, whose trigger raises an error with an SQLSTATE of its own; NULLs are to be filled
-- source: https://github.com/evoila/meho/pull/3435 , https://github.com/margince/margince/pull/4122
-- want: refuse
-- code: statement-failed
-- slow: yes
-- keeps: medical_records.is_deleted
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'records are append-only' USING ERRCODE = 'insufficient_privilege'; END $$;
ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL; UPDATE medical_records SET is_deleted = NULL WHERE id < 4;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON medical_records FOR EACH ROW EXECUTE FUNCTION append_only();
