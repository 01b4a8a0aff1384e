-- about: django_content_type is another role's and may only be read; a content type is to be added
-- source: https://github.com/windmill-labs/windmill/pull/9674
-- want: refuse
-- code: may-not-write
-- superuser: converge
SET CONSTRAINTS ALL IMMEDIATE;
DELETE FROM auth_permission WHERE content_type_id IN (SELECT id FROM django_content_type WHERE model='patientphoto');
DELETE FROM django_content_type WHERE model='patientphoto';
ALTER TABLE django_content_type OWNER TO postgres; GRANT SELECT, REFERENCES ON django_content_type TO clinic;
