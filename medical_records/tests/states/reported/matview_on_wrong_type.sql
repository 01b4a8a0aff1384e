-- about: a materialized view, with an index and a grant, reads a column of the wrong type
-- source: https://github.com/xelixdev/django-pgviews-redux/issues/59
-- want: refuse
-- code: column-type
-- slow: yes
-- keeps: medical_records.values
ALTER TABLE medical_records ALTER values TYPE json USING values::json;
CREATE MATERIALIZED VIEW record_report AS SELECT id, values FROM medical_records; CREATE UNIQUE INDEX record_report_id ON record_report (id); GRANT SELECT ON record_report TO PUBLIC; ALTER MATERIALIZED VIEW record_report OWNER TO clinic;
--# check
SELECT has_table_privilege('public', 'record_report', 'SELECT') AND to_regclass('record_report_id') IS NOT NULL;
