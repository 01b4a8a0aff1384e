-- about: the column name of Django 1.7, NOT NULL, is still there, though its removal is recorded; a content type is to be added
-- source: https://github.com/mbi/django-simple-captcha/issues/152 , https://github.com/phodal/phodaldev/issues/21
-- want: refuse
-- code: column-without-value
ALTER TABLE django_content_type ADD name varchar(100); UPDATE django_content_type SET name = model; ALTER TABLE django_content_type ALTER name SET NOT NULL;
SET CONSTRAINTS ALL IMMEDIATE;
DELETE FROM auth_permission WHERE content_type_id IN (SELECT id FROM django_content_type WHERE model='patientphoto');
DELETE FROM django_content_type WHERE model='patientphoto';
--# person
ALTER TABLE django_content_type ALTER name DROP NOT NULL;
