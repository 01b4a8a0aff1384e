-- about: a published table has no replica identity, or has lost its index, and NULLs to fill: no row can be updated
-- source: https://github.com/Schema-Smith/SchemaSmith/issues/407 , https://github.com/open-metadata/OpenMetadata/issues/12880
-- want: converge
-- keeps: medical_records.is_deleted
ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL; UPDATE medical_records SET is_deleted = NULL WHERE id < 4;
CREATE PUBLICATION every_table FOR ALL TABLES;
ALTER TABLE medical_records REPLICA IDENTITY NOTHING;
CREATE UNIQUE INDEX theirs ON patients (id); ALTER TABLE patients REPLICA IDENTITY USING INDEX theirs; DROP INDEX theirs;
--# check
SELECT count(*) = 2 FROM pg_class WHERE oid IN ('medical_records'::regclass, 'patients'::regclass) AND relreplident = 'd'
