-- about: a domain over the declared type
-- source: https://github.com/elizaOS/eliza/pull/8009
-- want: refuse
-- code: column-type
-- slow: yes
-- keeps: patients.phone_number
CREATE DOMAIN phone AS varchar(50) CHECK (VALUE ~ '^[0-9+ ]*$'); ALTER TABLE patients ALTER phone_number TYPE phone;
UPDATE patients SET phone_number = '0123' WHERE id < 5;
