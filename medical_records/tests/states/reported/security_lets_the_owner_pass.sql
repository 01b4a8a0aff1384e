-- about: row security is forced on Django's own tables, with a policy that lets everybody see all rows; a migration is pending
-- want: converge
ALTER TABLE django_migrations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY everybody ON django_migrations USING (true);
ALTER TABLE django_content_type ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY owners ON django_content_type TO clinic USING (true) WITH CHECK (true);
DELETE FROM django_migrations WHERE app = 'sessions'; DROP TABLE django_session;
