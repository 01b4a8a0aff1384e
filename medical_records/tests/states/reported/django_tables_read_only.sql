-- about: Django's own tables are another role's, which let this role read them; nothing is to be added
-- want: converge
ALTER TABLE django_migrations OWNER TO postgres; ALTER TABLE django_content_type OWNER TO postgres; ALTER TABLE auth_permission OWNER TO postgres; GRANT SELECT, REFERENCES ON django_migrations, django_content_type, auth_permission TO clinic;
