-- about: an idle session has locked a row that is to be filled
-- source: https://github.com/AmbitionEng/django-pgmigrate/pull/1
-- want: refuse
-- code: locked
-- says: {pid}
-- keeps: medical_records.is_deleted
ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL; UPDATE medical_records SET is_deleted = NULL WHERE id < 4;
--# hold
SELECT * FROM medical_records WHERE id = 2 FOR UPDATE
