-- about: a squashed migration of a fork is recorded in place of several
-- source: https://github.com/bookwyrm-social/bookwyrm/issues/353
-- want: converge
-- slow: yes
DELETE FROM django_migrations WHERE app IN ('auth', 'admin'); INSERT INTO django_migrations (app, name, applied) VALUES ('auth', '0001_squashed_0012', now()), ('admin', '0001_squashed_0003', now());
