-- about: django_migrations was restored twice: no primary key, every row twice
-- source: https://github.com/netbox-community/netbox-docker/issues/34
-- want: refuse
-- code: duplicates
-- slow: yes
ALTER TABLE django_migrations DROP CONSTRAINT django_migrations_pkey;
INSERT INTO django_migrations (id, app, name, applied) SELECT id, app, name, applied FROM django_migrations;
--# person
DELETE FROM django_migrations a USING django_migrations b WHERE a.id = b.id AND a.ctid > b.ctid;
