-- about: a published table has no primary key, and NULLs to fill: no row can be updated
-- source: https://github.com/2ndQuadrant/pglogical/issues/149 , https://github.com/element-hq/synapse/issues/16224
-- want: converge
-- slow: yes
-- keeps: medical_records.is_deleted
ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL; UPDATE medical_records SET is_deleted = NULL WHERE id < 4;
CREATE PUBLICATION every_table FOR ALL TABLES;
ALTER TABLE medical_records DROP CONSTRAINT medical_records_pkey CASCADE;
