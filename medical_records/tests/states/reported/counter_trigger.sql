-- about: a trigger counts the changes of a row in its parent; NULLs are to be filled
-- source: https://github.com/pgMemento/pgMemento/issues/90
-- want: refuse
-- code: trigger-changes-rows
-- keeps: medical_records.is_deleted
ALTER TABLE patients ADD record_changes integer DEFAULT 0;
CREATE FUNCTION count_changes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE patients SET record_changes = record_changes + 1 WHERE id = NEW.patient_id; RETURN NULL; END $$;
ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL; UPDATE medical_records SET is_deleted = NULL WHERE id < 4;
CREATE TRIGGER count_changes AFTER UPDATE ON medical_records FOR EACH ROW EXECUTE FUNCTION count_changes();
