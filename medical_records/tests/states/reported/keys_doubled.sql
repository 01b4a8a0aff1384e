-- about: the same foreign key is there three times
-- source: https://github.com/sameersbn/docker-gitlab/issues/2364
-- want: converge
-- slow: yes
ALTER TABLE medical_records ADD CONSTRAINT fk_rails_bb3355782d FOREIGN KEY (patient_id) REFERENCES patients; ALTER TABLE medical_records ADD CONSTRAINT fk_rails_bb3355782e FOREIGN KEY (patient_id) REFERENCES patients;
