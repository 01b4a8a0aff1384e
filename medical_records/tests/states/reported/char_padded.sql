-- about: char(20), padded with spaces, where varchar(20) is declared
-- source: https://github.com/ls1intum/Artemis/issues/13041
-- want: refuse
-- code: column-type
-- slow: yes
-- keeps: patients.gender
ALTER TABLE patients ALTER gender TYPE char(20); UPDATE patients SET gender = 'f' WHERE id < 9;
--# check
SELECT bool_and(gender = 'f') AND bool_and(length(gender) = 1) FROM patients WHERE id < 9;
