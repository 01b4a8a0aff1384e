-- about: the sequence of django_migrations is behind, and a migration is pending
-- source: https://github.com/netbox-community/netbox/issues/1878
-- want: converge
-- slow: yes
DELETE FROM django_migrations WHERE app = 'sessions'; DROP TABLE django_session;
ALTER TABLE django_migrations ALTER id RESTART WITH 1;
