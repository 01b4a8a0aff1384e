-- about: the history has another label for the app
-- source: https://github.com/galaxyproject/cloudlaunch/pull/105
-- want: converge
-- slow: yes
UPDATE django_migrations SET app = 'records' WHERE app = 'medical_records'; UPDATE django_content_type SET app_label = 'records' WHERE app_label = 'medical_records';
