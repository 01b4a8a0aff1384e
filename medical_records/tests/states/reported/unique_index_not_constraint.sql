-- about: unique indexes where constraints are declared
-- source: https://github.com/thornomad/django-hitcount/issues/127
-- want: converge
-- slow: yes
ALTER TABLE django_content_type DROP CONSTRAINT django_content_type_app_label_model_76bd3d3b_uniq; CREATE UNIQUE INDEX django_content_type_app_label_model_76bd3d3b_uniq ON django_content_type (app_label, model);
ALTER TABLE auth_group DROP CONSTRAINT auth_group_name_key; CREATE UNIQUE INDEX auth_group_name_key ON auth_group (name);
