-- about: NULLs are to be filled, and deferred triggers are pending afterwards: an ALTER TABLE in that transaction would fail
-- source: https://github.com/drizzle-team/drizzle-kit-mirror/issues/525 , https://github.com/aiidateam/aiida-core/issues/3795
-- want: converge
-- slow: yes
-- keeps: medical_records.is_deleted
ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL; UPDATE medical_records SET is_deleted = NULL WHERE id < 4;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
SET CONSTRAINTS ALL IMMEDIATE;
CREATE CONSTRAINT TRIGGER deferred_check AFTER UPDATE ON medical_records DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION nothing();
