-- about: pgloader: indexes and keys have other names, and a unique index is where a constraint is declared
-- source: https://github.com/dimitri/pgloader/issues/187 , https://github.com/gitlabhq/mysql-postgresql-converter/issues/4
-- want: converge
-- slow: yes
ALTER INDEX idx_medical_records_created RENAME TO idx_16401_idx_medical_records_created;
ALTER INDEX medical_records_pkey RENAME TO idx_16401_primary;
ALTER TABLE user_clinic_associations DROP CONSTRAINT uq_user_clinic;
CREATE UNIQUE INDEX idx_16402_uq_user_clinic ON user_clinic_associations (user_id, clinic_id);
ALTER TABLE patients DROP CONSTRAINT patients_pkey CASCADE; CREATE UNIQUE INDEX idx_16403_primary ON patients (id);
