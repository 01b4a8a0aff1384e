-- about: AUTH_USER_MODEL was changed in the middle of a project: the admin's log references the old table, and users that the new one hasn't
-- source: https://github.com/bruvellu/cifonauta/issues/234 , https://github.com/django-cms/django-filer/issues/754
-- want: refuse
-- code: orphan-rows
-- slow: yes
CREATE TABLE auth_user (id integer PRIMARY KEY, username varchar(150) NOT NULL); INSERT INTO auth_user SELECT g, 'u' || g FROM generate_series(1, 99) g; ALTER TABLE auth_user OWNER TO clinic;
ALTER TABLE django_admin_log DROP CONSTRAINT django_admin_log_user_id_c564eba6_fk_users_id;
INSERT INTO django_admin_log (action_time, object_repr, action_flag, change_message, user_id) VALUES (now(), 'x', 1, '', 77);
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE django_admin_log ADD CONSTRAINT django_admin_log_user_id_c564eba6_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES auth_user DEFERRABLE INITIALLY DEFERRED;
--# person
UPDATE django_admin_log SET user_id = 1 WHERE user_id = 77;
