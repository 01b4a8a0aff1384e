-- about: django_content_type lost its unique constraint in a restore, and rows are there twice
-- source: https://github.com/roundware/roundware-server/issues/291
-- want: refuse
-- code: duplicates
-- slow: yes
ALTER TABLE django_content_type DROP CONSTRAINT django_content_type_app_label_model_76bd3d3b_uniq;
INSERT INTO django_content_type (app_label, model) SELECT app_label, model FROM django_content_type WHERE model = 'patientphoto';
--# person
DELETE FROM auth_permission WHERE content_type_id IN (SELECT max(id) FROM django_content_type WHERE model = 'patientphoto');
DELETE FROM django_content_type WHERE id = (SELECT max(id) FROM django_content_type WHERE model = 'patientphoto');
