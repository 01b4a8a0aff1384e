-- about: CREATE on the schema public was taken away, as PostgreSQL 15 does; a table is to be created by Django's own migration
-- source: https://github.com/grafana-cold-storage/oncall/issues/3022 , https://github.com/usememos/memos/issues/5859
-- want: refuse
-- code: may-not-create
-- superuser: converge
DELETE FROM django_migrations WHERE app = 'sessions'; DROP TABLE django_session;
ALTER SCHEMA public OWNER TO postgres; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
