-- about: a unique constraint is missing, and rows are there twice
-- source: https://github.com/netbox-community/netbox/issues/11777
-- want: refuse
-- code: duplicates
-- slow: yes
ALTER TABLE user_clinic_associations DROP CONSTRAINT uq_user_clinic; INSERT INTO user_clinic_associations (user_id, clinic_id, full_name) SELECT user_id, clinic_id, 'again' FROM user_clinic_associations WHERE id = 1;
--# person
DELETE FROM user_clinic_associations WHERE full_name = 'again';
