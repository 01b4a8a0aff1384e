-- about: a foreign key and an index have the names of an older Django
-- source: https://github.com/Archmonger/django-dbbackup/issues/245
-- want: converge
-- slow: yes
ALTER TABLE auth_permission RENAME CONSTRAINT auth_permission_content_type_id_2f476e4b_fk_django_co TO auth_permission_content_type_id_2f476e4b_fk_django_content_type_id;
ALTER INDEX auth_permission_content_type_id_2f476e4b RENAME TO auth_permission_417f1b1c;
