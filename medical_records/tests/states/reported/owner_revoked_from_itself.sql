-- about: the owner's own privileges were revoked, and NULLs are to be filled
-- source: https://github.com/haron/grafana-migrator/issues/13
-- want: refuse
-- code: may-not-write
-- superuser: converge
-- keeps: medical_records.is_deleted
ALTER TABLE medical_records ALTER is_deleted DROP NOT NULL; UPDATE medical_records SET is_deleted = NULL WHERE id < 4;
REVOKE ALL ON medical_records FROM clinic;
