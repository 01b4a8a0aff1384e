-- about: django_migrations is another role's and may only be read; a migration is pending
-- source: https://github.com/concourse/concourse/issues/3772 , https://github.com/EBWiki/EBWiki/issues/805
-- want: refuse
-- code: may-not-write
-- superuser: converge
ALTER TABLE django_migrations OWNER TO postgres; GRANT SELECT ON django_migrations TO clinic;
DELETE FROM django_migrations WHERE app = 'sessions'; DROP TABLE django_session;
