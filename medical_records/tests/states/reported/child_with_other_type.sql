-- about: an inheriting table has the missing column with another type
-- source: https://github.com/yugabyte/yugabyte-db/issues/27250
-- want: refuse
-- code: statement-failed
-- slow: yes
ALTER TABLE patients DROP notes; CREATE TABLE patients_archive () INHERITS (patients); ALTER TABLE patients_archive ADD notes integer; ALTER TABLE patients_archive OWNER TO clinic;
--# person
ALTER TABLE patients_archive RENAME notes TO note_number;
