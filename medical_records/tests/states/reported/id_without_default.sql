-- about: keys have no default
-- source: https://github.com/dimitri/pgloader/issues/1141 , https://github.com/sgruhier/capistrano-db-tasks/issues/124
-- want: converge
-- slow: yes
ALTER TABLE medical_records ALTER id DROP IDENTITY; ALTER TABLE django_content_type ALTER id DROP IDENTITY; ALTER TABLE users ALTER id DROP IDENTITY;
--# check
INSERT INTO users (email) VALUES ('n@example.test') RETURNING id > 5;
