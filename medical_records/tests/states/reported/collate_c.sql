-- about: text columns have the collation C
-- source: https://github.com/matrix-org/synapse/issues/6696
-- want: refuse
-- code: column-type
-- slow: yes
ALTER TABLE patients ALTER full_name TYPE varchar(255) COLLATE "C"; ALTER TABLE users ALTER email TYPE varchar(255) COLLATE "C";
