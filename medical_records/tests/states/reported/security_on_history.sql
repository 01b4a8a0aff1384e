-- about: row security, forced, hides django_migrations from its owner
-- source: https://github.com/jikig-ai/soleur/issues/3365 , https://github.com/Davidvandijcke/coarse/pull/243
-- want: refuse
-- code: row-level-security
-- superuser: converge
ALTER TABLE django_migrations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
