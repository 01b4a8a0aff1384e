-- about: a table that inherits is another role's, and what is altered of a column is altered there as well
-- source: https://github.com/stac-utils/pgstac/issues/189
-- want: refuse
-- code: not-owner
-- superuser: converge
CREATE TABLE patients_archive () INHERITS (patients); ALTER TABLE patients ALTER is_deleted DROP DEFAULT; ALTER TABLE patients ALTER full_name TYPE varchar(200); 
