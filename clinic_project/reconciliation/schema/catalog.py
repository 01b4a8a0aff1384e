"""The catalog queries: all SQL that reads the definitions of tables from PostgreSQL's system catalogs.

Each takes a list of names or OIDs, so that the number of queries doesn't grow with the number of tables. `{namespace}`
stands for the OID of the schema that is read, `{schema}` for the name that the result gives it. Features that a server's
version may lack are read from the text that it prints for a definition, so that no query of these names a column which only
newer catalogs have (https://www.postgresql.org/docs/current/catalogs.html).
"""

# The relations of the names {names}, as SQL has them: to_regclass() requires USAGE on their schemas.
NAMED_RELATIONS = """
    SELECT w.name, c.oid, c.relnamespace
    FROM unnest({names}::text[]) AS w(name)
    CROSS JOIN LATERAL parse_ident(w.name) AS parts
    JOIN pg_class c ON c.relname = parts[cardinality(parts)] AND CASE
        WHEN cardinality(parts) = 1 THEN pg_table_is_visible(c.oid)
        ELSE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = parts[1]) END
"""

# What is read of a server, by the names of Server's fields. Where PUBLIC may not read views, as on shared servers, it may
# call the functions behind them.
SERVER = """
    SELECT current_database() AS database, current_setting('server_version') AS version,
           current_setting('server_version_num')::int AS version_number, current_user AS role,
           current_setting('search_path') AS search_path, pg_is_in_recovery() AS in_recovery,
           current_setting('transaction_read_only')::bool AS read_only,
           has_database_privilege(current_database(), 'TEMPORARY') AS may_create_temporary,
           coalesce(substring(current_schema() FROM '^pg_.*'), '') AS system_schema,
           (SELECT source IN ('client', 'command line') FROM pg_show_all_settings()
            WHERE name = 'search_path') AS path_is_fixed,
           ARRAY(
               -- Without pg_read_all_stats, only the pid and the name are seen. Subscribers have logical slots.
               SELECT coalesce(r.application_name, '')
               FROM pg_stat_get_activity(NULL) r JOIN pg_stat_get_wal_senders() w USING (pid)
               WHERE w.state IS DISTINCT FROM 'backup' AND pid NOT IN (
                   SELECT active_pid FROM pg_get_replication_slots()
                   WHERE slot_type = 'logical' AND active_pid IS NOT NULL
               ) ORDER BY 1
           ) AS standbys,
           ARRAY(
               SELECT format('%%I.%%I', n.nspname, c.collname)
               FROM (SELECT DISTINCT unnest(indcollation::oid[]) AS oid FROM pg_index) AS used
               JOIN pg_collation c ON c.oid = used.oid
               JOIN pg_namespace n ON n.oid = c.collnamespace
               WHERE c.collversion <> pg_collation_actual_version(c.oid) ORDER BY 1
           ) AS outdated_collations,
           {collation_versions} AS collation_versions
"""

MAY_READ_DATABASES = "SELECT has_table_privilege('pg_catalog.pg_database', 'SELECT')"

# The oid of this database.
THIS_DATABASE = "(SELECT datid FROM pg_stat_get_activity(pg_backend_pid()))"

# Since PostgreSQL 15, a database records the version by which its text was sorted.
COLLATION_VERSIONS = """
    (SELECT ARRAY[datcollversion, pg_database_collation_actual_version(oid)] FROM pg_database
     WHERE datname = current_database())
"""
NO_COLLATION_VERSIONS = "'{NULL, NULL}'::text[]"

# The names on the search path, in its order: the setting quotes those that need it, and "$user" stands for the role.
_SEARCH_PATH = r"""
    SELECT position, CASE WHEN name = '$user' THEN current_user::text ELSE name END AS name
    FROM (SELECT r.position, CASE WHEN r.m[1] IS NULL THEN lower(r.m[2]) ELSE replace(r.m[1], '""', '"') END AS name
          FROM regexp_matches(current_setting('search_path'), '"((?:[^"]|"")*)"|([^[:space:],"]+)', 'g')
               WITH ORDINALITY AS r(m, position)) AS written
"""

_SCHEMAS = """
    WITH keys AS (SELECT * FROM unnest(%s::text[], %s::text[]) AS k(table_name, columns)),
    path AS (SELECT name, min(position)::int AS position FROM ({search_path}) AS p GROUP BY name)
    SELECT n.nspname::text, p.position,
           has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE'),
           EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'django_migrations'
                   AND c.relkind IN ('r', 'p', 'v', 'm', 'f')),
           EXISTS (SELECT FROM keys k
                   JOIN pg_class c ON c.relname = k.table_name AND c.relnamespace = n.oid
                   JOIN pg_index x ON x.indrelid = c.oid AND x.indisprimary
                   WHERE k.columns = (SELECT string_agg(a.attname::text, %s ORDER BY i.position)
                                      FROM unnest(x.indkey::int2[]) WITH ORDINALITY i(number, position)
                                      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.number)),
           coalesce((SELECT pg_get_userbyid(c.relowner)::text FROM pg_class c
                     WHERE c.relnamespace = n.oid AND c.relname = 'django_migrations' AND c.relkind IN ('r', 'p')
                       AND NOT pg_has_role(c.relowner, 'USAGE')), '')
    FROM pg_namespace n
    {join} JOIN path p ON p.name = n.nspname
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY p.position, n.nspname
""".replace("{search_path}", _SEARCH_PATH)

SCHEMAS_ON_PATH = _SCHEMAS.replace("{join}", "")

ALL_SCHEMAS = _SCHEMAS.replace("{join}", "LEFT")

# Relations of the tables' names in other schemas of the search path. `shadows` are those that queries find which name no
# schema: while a command has put the project's schema first, that is on the path twice, and its last place is the one it has
# for other sessions. Whether a table is `filled` is told by its size, which needs no privilege.
ON_SEARCH_PATH = """
    WITH path AS ({search_path})
    SELECT n.nspname::text AS schema, c.relname::text AS name,
           has_schema_privilege(n.oid, 'USAGE')
               AND min(p.position) < (SELECT max(position) FROM path WHERE name = {schema}) AS shadows,
           (SELECT array_agg(a.attname::text ORDER BY i.position)
            FROM pg_index x, unnest(x.indkey::int2[]) WITH ORDINALITY i(number, position)
            JOIN pg_attribute a ON a.attnum = i.number
            WHERE x.indrelid = c.oid AND x.indisprimary AND a.attrelid = c.oid) AS key,
           c.relkind IN ('r', 'p') AND (
               pg_relation_size(c.oid) > 0
               OR EXISTS (SELECT FROM pg_partition_tree(c.oid) AS t WHERE pg_relation_size(t.relid) > 0)) AS filled
    FROM path p
    JOIN pg_namespace n ON n.nspname = p.name AND n.oid <> {namespace} AND n.nspname !~ '^pg_'
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    WHERE c.relname = ANY (%s)
    GROUP BY n.oid, n.nspname, c.oid, c.relname, c.relkind
    ORDER BY min(p.position)
""".replace("{search_path}", _SEARCH_PATH)

# What this role may do in the schemas that tables' names name.
OTHER_SCHEMAS = """
    SELECT nspname::text AS name, has_schema_privilege(oid, 'USAGE') AS may_use,
           has_schema_privilege(oid, 'CREATE') AS may_create
    FROM pg_namespace WHERE nspname = ANY (%s)
"""

# What this role may do with the table c.
_ACCESS = """
    pg_has_role(c.relowner, 'USAGE') AS owned, pg_get_userbyid(c.relowner)::text AS owner,
    ARRAY(SELECT privilege FROM unnest('{SELECT,INSERT,UPDATE}'::text[]) AS privilege
          WHERE c.relkind IN ('r', 'p') AND NOT has_table_privilege(c.oid, privilege)) AS missing_privileges
"""

# The grantee of a row g of aclexplode(), as in GRANT, and what follows it there.
_GRANTEE = """
    CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
    CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' END
"""

# Tables as queries find them that name no schema. A policy may be there that lets this role see and write all rows. Columns
# are `required` that every INSERT has to name.
ACCESS = """
    SELECT n.nspname::text AS schema, c.relname::text AS name, {access},
           c.relrowsecurity AND row_security_active(c.oid) AND (
               EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive)
               OR NOT EXISTS (
                   SELECT FROM pg_policy p
                   WHERE p.polrelid = c.oid AND p.polcmd = '*' AND pg_get_expr(p.polqual, c.oid) = 'true'
                     AND coalesce(pg_get_expr(p.polwithcheck, c.oid), 'true') = 'true'
                     AND EXISTS (SELECT FROM unnest(p.polroles) AS role WHERE role = 0 OR pg_has_role(role, 'USAGE')))
           ) AS rows_hidden, a.names, a.types, a.required
    FROM unnest(%s::text[]) WITH ORDINALITY AS asked(name, position)
    JOIN pg_class c ON c.oid = to_regclass(quote_ident(asked.name)) AND c.relkind IN ('r', 'p')
    JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT array_agg(attname::text ORDER BY attnum) AS names,
               array_agg(format_type(atttypid, atttypmod) ORDER BY attnum) AS types,
               array_agg(attnotnull AND NOT atthasdef AND attidentity = '' ORDER BY attnum) AS required
        FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
    ) a
    ORDER BY asked.position
""".replace("{access}", _ACCESS)

# row_security_active() is true only where policies may filter what this role sees.
RELATIONS = """
    SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind, c.relnamespace = {namespace} AS here,
           has_schema_privilege(n.oid, 'USAGE') AS schema_usable, d.*
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN LATERAL (
    SELECT {access},
           current_setting('is_superuser')::bool
               OR has_schema_privilege(c.relowner, c.relnamespace, 'CREATE') AS owner_may_create,
           c.relrowsecurity AND row_security_active(c.oid) AS rows_hidden,
           c.relpersistence <> 'u' AS logged, c.reltuples::bigint AS rows,
           c.relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'REFERENCES') AS may_reference,
           (SELECT array_agg(rulename::text ORDER BY rulename) FROM pg_rewrite
            WHERE ev_class = c.oid AND c.relkind = 'r') AS rules,
           (SELECT array_agg(inhparent::regclass::text ORDER BY inhseqno) FROM pg_inherits
            WHERE inhrelid = c.oid AND c.relkind IN ('r', 'p')) AS parents, c.relispartition AS is_partition,
           (SELECT array_agg(inhrelid::regclass::text ORDER BY inhrelid) FROM pg_inherits
            WHERE inhparent = c.oid AND c.relkind = 'r') AS children,
           (c.relreplident = 'n' OR c.relreplident = 'i' AND NOT EXISTS (
               SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisreplident))
           AND EXISTS (SELECT FROM pg_publication_tables t JOIN pg_publication p ON p.pubname = t.pubname
                       WHERE (t.schemaname, t.tablename) = (n.nspname, c.relname) AND (p.pubupdate OR p.pubdelete))
           AS needs_replica_identity,
           obj_description(c.oid, 'pg_class') AS comment,
           (SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace) AS tablespace
    WHERE c.relnamespace = {namespace} OR n.nspname = ANY (%s)
    ) AS d ON true
    WHERE c.relname = ANY (%s)
      AND (c.relnamespace = {namespace} OR n.nspname !~ '^pg_')
    ORDER BY c.relname, n.nspname
""".replace("{access}", _ACCESS)

# The numbers are bits of tgtype: BEFORE, and UPDATE.
TRIGGERS = """
    SELECT g.tgrelid AS table_oid, g.tgname AS name, pg_get_triggerdef(g.oid) AS definition, g.tgenabled::text AS mode,
           g.tgconstraint <> 0 AS is_constraint, g.tgtype & 2 <> 0 AS before, g.tgtype & 16 <> 0 AS on_update,
           ARRAY(SELECT a.attname::text FROM pg_attribute a
                 WHERE a.attrelid = g.tgrelid AND a.attnum = ANY (g.tgattr::int2[])) AS update_columns,
           p.proname AS function_name, n.nspname AS function_schema,
           oidvectortypes(p.proargtypes) AS function_arguments,
           ARRAY(SELECT DISTINCT a.attname::text FROM pg_depend d
                 JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                 WHERE d.classid = 'pg_trigger'::regclass AND d.objid = g.oid
                   AND d.refclassid = 'pg_class'::regclass AND d.refobjid = g.tgrelid AND d.refobjsubid > 0) AS columns
    FROM pg_trigger g
    JOIN pg_proc p ON p.oid = g.tgfoid
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE g.tgrelid = ANY (%s) AND NOT g.tgisinternal
    ORDER BY g.tgrelid, g.tgname
"""

# pg_get_functiondef() fails for aggregates, which can have a function's name. What is `kept` are the statements that give a
# function that is created again what belonged to it.
FUNCTIONS = """
    SELECT p.proname AS name, oidvectortypes(p.proargtypes) AS arguments,
           coalesce(pg_get_function_result(p.oid), p.prokind::text) AS result,
           CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END AS definition,
           pg_get_userbyid(p.proowner)::text AS owner, pg_has_role(p.proowner, 'USAGE') AS owned,
           ARRAY(SELECT concat_ws(' ', a.mode, format_type(a.type, NULL), nullif(a.name, ''))
                 FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes, p.proargnames)
                      WITH ORDINALITY AS a(type, mode, name, position) ORDER BY a.position) AS parameters,
           p.pronargdefaults AS defaults,
           p.prosecdef AND p.prorettype = 'trigger'::regtype AS lends_privileges,
           EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
                   WHERE g.grantee = 0) AS is_public,
           (SELECT string_agg(DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid), ', ') FROM pg_depend d
            WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid AND d.deptype = 'n') AS needed_by,
           ARRAY(SELECT format('REVOKE ALL ON FUNCTION %%s FROM PUBLIC', f.name) WHERE p.proacl IS NOT NULL)
           || ARRAY(SELECT format('GRANT EXECUTE ON FUNCTION %%s TO %%s%%s', f.name, {grantee})
                    FROM aclexplode(p.proacl) g WHERE g.grantee <> p.proowner)
           || ARRAY(SELECT format('COMMENT ON FUNCTION %%s IS %%L', f.name, o.description) FROM pg_description o
                    WHERE o.classoid = 'pg_proc'::regclass AND o.objoid = p.oid)
           || format('ALTER FUNCTION %%s OWNER TO %%I', f.name, pg_get_userbyid(p.proowner)) AS kept
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    CROSS JOIN LATERAL (
        SELECT format('%%I.%%I(%%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) AS name
    ) f
    WHERE p.pronamespace = {namespace} AND p.proname = ANY (%s)
    ORDER BY p.proname, 2
""".replace("{grantee}", _GRANTEE)

# What an UPDATE of the tables fires, or is rewritten by; and the tables that inherit from them, whose rows it changes, too.
# The numbers are bits of tgtype: BEFORE, and UPDATE. The rules of an inheriting table don't apply to its parent's UPDATE.
UPDATE_TRIGGERS = """
    WITH RECURSIVE family (root, oid) AS (
        SELECT oid, oid FROM unnest(%s::oid[]) AS asked(oid)
        UNION SELECT f.root, i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.oid
    ),
    fired AS (
        SELECT g.tgrelid AS oid, g.tgname AS name, g.tgtype & 2 <> 0 AS before, g.tgenabled AS enabled, false AS rule,
               ARRAY(SELECT a.attname::text FROM pg_attribute a
                     WHERE a.attrelid = g.tgrelid AND a.attnum = ANY (g.tgattr::int2[])) AS columns
        FROM pg_trigger g WHERE NOT g.tgisinternal AND g.tgtype & 16 <> 0 AND g.tgenabled <> 'D'
        UNION ALL
        SELECT ev_class, rulename, true, ev_enabled, true, '{}' FROM pg_rewrite WHERE ev_type = '2' AND ev_enabled <> 'D'
    )
    SELECT f.root AS table_oid, n.nspname AS schema, c.relname AS relation, f.root <> f.oid AS inherits,
           pg_has_role(c.relowner, 'USAGE') AS owned, pg_get_userbyid(c.relowner)::text AS owner,
           t.name, t.before, t.enabled::text, t.rule, t.columns
    FROM family f
    JOIN pg_class c ON c.oid = f.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN fired t ON t.oid = f.oid AND (f.oid = f.root OR NOT t.rule)
    WHERE t.name IS NOT NULL OR f.root <> f.oid
    ORDER BY f.root, f.oid, t.name
"""

# What is read of the sequence q, with the properties s, in the schema n: its range, and what this role may do with it. A
# list of privileges asks for any of them.
SEQUENCE_COLUMNS = """
    s.seqincrement AS increment, s.seqmin AS min_value, s.seqmax AS max_value, s.seqcycle AS cycles,
    q.relpersistence <> 'u' AS sequence_logged,
    n.nspname AS schema, has_schema_privilege(n.oid, 'USAGE') AS schema_usable,
    has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(q.oid, 'SELECT') AS readable,
    has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(q.oid, 'USAGE, UPDATE') AS usable,
    has_sequence_privilege(q.oid, 'UPDATE') AS settable, pg_has_role(q.relowner, 'USAGE') AS alterable,
    EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') AS of_citus
"""

# A default counts as volatile if it names a function of which any overload is: ADD COLUMN then rewrites all rows.
# A serial's default depends on its sequence; an identity's sequence depends on the column ("internal"). The CTEs are such
# that every query plan is good, even right after thousands of tables were created, when the catalogs have no statistics.
COLUMNS = """
    WITH asked AS (SELECT unnest(%s::oid[]) AS oid),
    defaults AS (
        SELECT d.oid, d.adrelid, d.adnum, pg_get_expr(d.adbin, d.adrelid) AS expression
        FROM asked w JOIN pg_attrdef d ON d.adrelid = w.oid
    ),
    defaults_of_sequences AS MATERIALIZED (
        SELECT dep.objid AS default_oid, dep.refobjid AS sequence,
               count(*) OVER (PARTITION BY dep.refobjid) > 1 AS shared
        FROM pg_depend dep JOIN pg_class q ON q.oid = dep.refobjid AND q.relkind = 'S'
        WHERE dep.classid = 'pg_attrdef'::regclass AND dep.refclassid = 'pg_class'::regclass AND dep.refobjsubid = 0
    ),
    feeds AS (
        SELECT dep.refobjid AS table_oid, dep.refobjsubid AS number, dep.objid AS sequence, false AS shared
        FROM asked w
        JOIN pg_depend dep ON dep.refclassid = 'pg_class'::regclass AND dep.refobjid = w.oid AND dep.refobjsubid > 0
        WHERE dep.classid = 'pg_class'::regclass AND dep.deptype = 'i'
        UNION ALL
        SELECT d.adrelid, d.adnum, s.sequence, s.shared
        FROM defaults d JOIN defaults_of_sequences s ON s.default_oid = d.oid
        WHERE d.expression ~ '^nextval[(]'
    ),
    sequences AS (
        SELECT f.table_oid, f.number, format('%%I.%%I', n.nspname, q.relname) AS name,
               EXISTS (SELECT FROM pg_depend o WHERE o.classid = 'pg_class'::regclass AND o.objid = q.oid
                       AND o.refclassid = 'pg_class'::regclass AND o.refobjid = f.table_oid
                       AND o.refobjsubid = f.number AND o.deptype IN ('a', 'i')) AS owned,
               NOT f.shared AND (q.relnamespace, q.relowner) = (t.relnamespace, t.relowner) AS ownable,
               {sequence_columns}
        FROM feeds f
        JOIN pg_class t ON t.oid = f.table_oid
        JOIN pg_class q ON q.oid = f.sequence
        JOIN pg_namespace n ON n.oid = q.relnamespace
        JOIN pg_sequence s ON s.seqrelid = q.oid
    )
    SELECT a.attrelid AS table_oid, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
           a.attnotnull AS not_null, nn.conname AS not_null_name, pg_get_constraintdef(nn.oid) AS not_null_definition,
           a.attinhcount > 0 AS inherited,
           a.attinhcount > 0 AND CASE WHEN nn.oid IS NOT NULL THEN nn.coninhcount > 0 ELSE EXISTS (
               SELECT FROM pg_inherits i
               JOIN pg_attribute up ON up.attrelid = i.inhparent AND up.attname = a.attname AND up.attnotnull
               WHERE i.inhrelid = a.attrelid) END AS not_null_inherited,
           d.expression,
           EXISTS (SELECT FROM regexp_matches(d.expression, '([[:alnum:]_]+)"?[(]', 'g') AS f(name)
                   JOIN pg_proc p ON p.proname = f.name[1] AND p.provolatile = 'v') AS volatile,
           a.attidentity::text AS identity, a.attgenerated::text AS generated,
           CASE WHEN a.attcollation <> t.typcollation
                THEN (SELECT format('%%I.%%I', cn.nspname, co.collname) FROM pg_collation co
                      JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) END AS collation,
           s.name AS sequence, s.owned, s.ownable, s.increment, s.min_value, s.max_value, s.cycles, s.sequence_logged,
           s.readable, s.usable, s.settable, s.alterable, s.schema, s.schema_usable, s.of_citus,
           o.description AS comment
    FROM asked w
    JOIN pg_attribute a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN defaults d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN sequences s ON s.table_oid = a.attrelid AND s.number = a.attnum
    LEFT JOIN pg_description o ON o.classoid = 'pg_class'::regclass AND (o.objoid, o.objsubid) = (a.attrelid, a.attnum)
    LEFT JOIN pg_constraint nn ON nn.conrelid = a.attrelid AND nn.contype = 'n' AND nn.conkey = ARRAY[a.attnum]
    ORDER BY a.attrelid, a.attnum
"""

# The sequences that generated the values of columns, given with the names that PostgreSQL would choose for these: what the
# columns own, what their defaults use otherwise than by a plain nextval(), and what has such a name.
FORMER_SEQUENCES = """
    WITH asked AS (
        SELECT t.oid, t.relnamespace, t.relowner, a.attnum AS number, a.attname AS column_name, w.sequence
        FROM unnest(%s::oid[], %s::text[], %s::text[]) AS w(oid, column_name, sequence)
        JOIN pg_class t ON t.oid = w.oid
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = w.column_name
    )
    SELECT w.oid AS table_oid, w.column_name, format('%%I.%%I', n.nspname, q.relname) AS sequence, f.owned,
           f.owned OR (q.relowner = w.relowner
               AND NOT EXISTS (SELECT FROM pg_depend o WHERE o.classid = 'pg_class'::regclass AND o.objid = q.oid
                               AND o.refclassid = 'pg_class'::regclass AND o.deptype IN ('a', 'i'))
               AND NOT EXISTS (SELECT FROM pg_depend u WHERE u.classid = 'pg_attrdef'::regclass
                               AND u.refclassid = 'pg_class'::regclass AND u.refobjid = q.oid)) AS ownable,
           {sequence_columns}
    FROM asked w
    CROSS JOIN LATERAL (
        SELECT sequence, bool_or(owned) AS owned FROM (
            SELECT d.objid AS sequence, true AS owned FROM pg_depend d
            WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
              AND d.refobjid = w.oid AND d.refobjsubid = w.number AND d.deptype = 'a'
            UNION ALL
            SELECT d.refobjid, false FROM pg_attrdef e
            JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid
            WHERE d.refclassid = 'pg_class'::regclass AND e.adrelid = w.oid AND e.adnum = w.number
            UNION ALL
            SELECT c.oid, false FROM pg_class c WHERE c.relnamespace = w.relnamespace AND c.relname = w.sequence
        ) AS found GROUP BY sequence
    ) AS f
    JOIN pg_class q ON q.oid = f.sequence AND q.relkind = 'S'
    JOIN pg_namespace n ON n.oid = q.relnamespace
    JOIN pg_sequence s ON s.seqrelid = q.oid
    ORDER BY w.oid, f.owned DESC, q.relname
"""

# While a concurrent build runs, its index is as invalid as one that was interrupted. The progress view tells the two apart,
# but hides the index (not the pid) from roles that may not see the session: for these, the session's lock on the table does.
INDEXES = """
    SELECT x.indrelid AS table_oid, i.oid, i.relname AS name, x.indisunique AS is_unique,
           pg_get_indexdef(i.oid) AS definition, i.reloptions AS parameters, x.indisreplident AS replica_identity,
           x.indisclustered AS clustered, obj_description(i.oid, 'pg_class') AS comment,
           x.indisvalid AND x.indisready AND x.indislive AS valid,
           NOT x.indisvalid AND EXISTS (
               SELECT FROM pg_stat_progress_create_index p
               WHERE p.index_relid = i.oid
                  OR (coalesce(p.relid, 0) = 0 AND EXISTS (
                      SELECT FROM pg_locks l WHERE l.pid = p.pid AND l.relation = x.indrelid AND l.granted))) AS building,
           k.conname AS constraint_name, pg_get_expr(x.indpred, x.indrelid) AS predicate,
           CASE WHEN x.indisunique THEN (SELECT array_agg(pg_get_indexdef(i.oid, n, false) ORDER BY n)
                                         FROM generate_series(1, x.indnkeyatts) AS n) END AS keys,
           (SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_depend d
            JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.classid = 'pg_class'::regclass AND d.objid = i.oid
              AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0) AS columns,
           CASE WHEN k.oid IS NULL THEN (
               SELECT string_agg(pg_describe_object(need.classid, need.objid, 0), ', ') FROM (
                   SELECT d.classid, d.objid FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass
                   AND d.refobjid = i.oid AND d.classid = 'pg_constraint'::regclass
                   UNION ALL SELECT 'pg_class'::regclass, inhparent FROM pg_inherits WHERE inhrelid = i.oid) AS need)
           END AS needed_by, s.spcname AS tablespace
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    LEFT JOIN pg_tablespace s ON s.oid = i.reltablespace
    LEFT JOIN pg_constraint k ON k.conindid = i.oid AND k.conrelid = x.indrelid AND k.contype IN ('p', 'u', 'x')
    WHERE x.indrelid = ANY (%s)
    ORDER BY x.indrelid, i.relname
"""

# A foreign key to a partitioned table has internal ones to its partitions: these aren't read.
# A foreign key's target is printed as this session sees it: for temporary tables, {schema} replaces their own.
CONSTRAINTS = """
    SELECT k.conrelid AS table_oid, k.conname AS name, k.contype::text AS kind,
           CASE WHEN k.contype = 'f' THEN replace(pg_get_constraintdef(k.oid),
               format('REFERENCES %%s(', k.confrelid::regclass),
               format('REFERENCES %%I.%%I(', fn.name, f.relname))
           ELSE pg_get_constraintdef(k.oid) END AS definition,
           (SELECT array_agg(a.attname::text ORDER BY c.position) FROM unnest(k.conkey) WITH ORDINALITY c(number, position)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number) AS columns,
           k.convalidated AS validated, k.condeferrable AS deferrable, k.condeferred AS deferred,
           k.coninhcount > 0 AS inherited,
           CASE WHEN k.contype <> 'f' THEN k.conindid END AS index_oid,
           fn.name AS target_schema, f.relname AS target_table,
           (SELECT array_agg(a.attname::text ORDER BY c.position)
            FROM unnest(k.confkey) WITH ORDINALITY c(number, position)
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.number) AS target_columns,
           k.contype = 'f' AND EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgenabled IN ('D', 'R'))
               AS triggers_disabled
    FROM pg_constraint k
    LEFT JOIN pg_class f ON f.oid = k.confrelid AND k.contype = 'f'
    LEFT JOIN LATERAL (
        SELECT CASE WHEN n.oid = pg_my_temp_schema() THEN {schema} ELSE n.nspname END AS name
        FROM pg_namespace n WHERE n.oid = f.relnamespace
    ) fn ON true
    WHERE k.conrelid = ANY (%s) AND k.contype IN ('p', 'u', 'f', 'c', 'x')
      AND NOT EXISTS (SELECT FROM pg_constraint up WHERE up.oid = k.conparentid AND up.conrelid = k.conrelid)
    ORDER BY k.conrelid, k.conname
"""

# Names and the schemas that they are asked for in.
NAME_OWNERS = """
    WITH asked AS (
        SELECT DISTINCT n.oid, w.schema, w.name
        FROM unnest(%s::text[], %s::text[]) AS w(schema, name) JOIN pg_namespace n ON n.nspname = w.schema
    )
    SELECT a.schema, a.name, c.relkind::text AS kind, t.relname AS table_name
    FROM asked a
    JOIN pg_class c ON c.relname = a.name AND c.relnamespace = a.oid
    LEFT JOIN pg_index x ON x.indexrelid = c.oid
    LEFT JOIN pg_class t ON t.oid = x.indrelid
    UNION ALL
    SELECT a.schema, a.name, 'type', NULL
    FROM asked a
    JOIN pg_type y ON y.typname = a.name AND y.typnamespace = a.oid AND y.typrelid = 0 AND y.typelem = 0
"""

# One statement for each key, all sent in one round trip: planning one query over a thousand tables takes longer than all of
# these. Their results are collected in a setting of the transaction; a DO block could do so too, but would need PL/pgSQL,
# which a database may lack.
NEXT_KEYS_BEGIN = "SELECT set_config('reconciliation.keys', '', true)"
NEXT_KEY = """
    SELECT set_config('reconciliation.keys', concat(current_setting('reconciliation.keys'), ',', json_build_array(
        (SELECT CASE WHEN highest < {end} THEN highest::numeric + 1 ELSE (
                    SELECT CASE WHEN max({column}) < {end} - 1 THEN max({column})::numeric + 1
                           WHEN max({column}) IS NULL THEN 1 ELSE {end}::numeric + 1 END
                    FROM {table} WHERE {column} < {end}
                ) END
         FROM (SELECT max({column}) AS highest FROM {table}) AS of_rows WHERE highest IS NOT NULL),
        (SELECT last_value::numeric + CASE WHEN is_called THEN {increment} ELSE 0 END FROM {sequence})
    )), true)
"""
NEXT_KEYS_RESULT = "SELECT substr(current_setting('reconciliation.keys'), 2)"

# What depends on a column, or on a key, so that PostgreSQL doesn't alter or drop that while it exists: with the statements
# that drop it and create it again. `restorable` is whether these create all of it. A view is restored with what is its own:
# options, defaults, indexes, triggers, rules, comments, grants, owner. `level` is how many views are between, at most.
DEPENDENTS = """
    WITH RECURSIVE asked AS (SELECT unnest(%s::oid[]) AS oid),
    on_columns AS (
        SELECT DISTINCT w.oid AS table_oid, a.attname::text AS column_name, NULL::text AS key_name, d.classid, d.objid
        FROM asked w
        JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = w.oid AND d.refobjsubid > 0
        JOIN pg_attribute a ON a.attrelid = w.oid AND a.attnum = d.refobjsubid
        WHERE d.classid IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass,
                            'pg_publication_rel'::regclass, 'pg_proc'::regclass)
        UNION ALL
        SELECT w.oid, a.attname::text, NULL, 'pg_constraint'::regclass, f.oid
        FROM asked w
        JOIN pg_constraint f ON f.confrelid = w.oid AND f.contype = 'f' AND f.conparentid = 0
        JOIN pg_attribute a ON a.attrelid = w.oid AND a.attnum = ANY (f.confkey)
    ),
    on_keys AS (
        SELECT w.oid AS table_oid, NULL::text AS column_name, k.conname::text AS key_name, d.classid, d.objid
        FROM asked w
        JOIN pg_constraint k ON k.conrelid = w.oid AND k.contype IN ('p', 'u')
        JOIN pg_depend d ON d.refclassid = 'pg_constraint'::regclass AND d.refobjid = k.oid
        WHERE d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass)
        UNION
        SELECT w.oid, NULL, k.conname::text, 'pg_constraint'::regclass, f.oid
        FROM asked w
        JOIN pg_constraint k ON k.conrelid = w.oid AND k.contype IN ('p', 'u')
        JOIN pg_constraint f ON f.confrelid = w.oid AND f.contype = 'f' AND f.conindid = k.conindid AND f.conparentid = 0
    ),
    direct AS (SELECT * FROM on_columns UNION ALL SELECT * FROM on_keys),
    views AS (
        SELECT x.table_oid, x.column_name, x.key_name, r.ev_class AS view, 1 AS level
        FROM direct x
        JOIN pg_rewrite r ON x.classid = 'pg_rewrite'::regclass AND r.oid = x.objid AND r.rulename = '_RETURN'
        UNION
        SELECT v.table_oid, v.column_name, v.key_name, r.ev_class, v.level + 1
        FROM views v
        JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = v.view
                        AND d.classid = 'pg_rewrite'::regclass
        JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> v.view AND r.rulename = '_RETURN'
    ),
    found AS (
        SELECT table_oid, array_agg(DISTINCT column_name) AS columns, array_agg(DISTINCT key_name) AS keys, classid, objid,
               max(level) AS level
        FROM (
            SELECT table_oid, column_name, key_name, 'pg_class'::regclass::oid AS classid, view AS objid, level FROM views
            UNION ALL
            SELECT x.table_oid, x.column_name, x.key_name, x.classid, x.objid, 0
            FROM direct x
            WHERE NOT EXISTS (SELECT FROM pg_rewrite r WHERE x.classid = 'pg_rewrite'::regclass AND r.oid = x.objid
                              AND r.rulename = '_RETURN')
              AND NOT EXISTS (SELECT FROM pg_trigger g WHERE x.classid = 'pg_trigger'::regclass AND g.oid = x.objid
                              AND g.tgisinternal)
        ) AS each
        GROUP BY table_oid, classid, objid
    ),
    named AS (
        SELECT f.*, pg_describe_object(f.classid, f.objid, 0) AS name,
               CASE f.classid
               WHEN 'pg_class'::regclass THEN f.objid
               WHEN 'pg_rewrite'::regclass THEN (SELECT ev_class FROM pg_rewrite WHERE oid = f.objid)
               WHEN 'pg_trigger'::regclass THEN (SELECT tgrelid FROM pg_trigger WHERE oid = f.objid)
               WHEN 'pg_policy'::regclass THEN (SELECT polrelid FROM pg_policy WHERE oid = f.objid)
               WHEN 'pg_publication_rel'::regclass THEN (SELECT prrelid FROM pg_publication_rel WHERE oid = f.objid)
               WHEN 'pg_constraint'::regclass THEN (SELECT conrelid FROM pg_constraint WHERE oid = f.objid)
               END AS relation
        FROM found f
    )
    SELECT f.table_oid, f.name, f.columns, f.keys, f.level, parts.drops, parts.creates,
           fk.conname AS foreign_key_name,
           CASE WHEN c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = f.table_oid) THEN c.relname END
           AS relation,
           coalesce(parts.restorable, false) AS restorable,
           coalesce(pg_has_role(c.relowner, 'USAGE'), false) AS owned
    FROM named f
    LEFT JOIN pg_class c ON c.oid = f.relation
    LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_constraint fk ON f.classid = 'pg_constraint'::regclass AND fk.oid = f.objid
    CROSS JOIN LATERAL (SELECT format('%%I.%%I', n.nspname, c.relname) AS sql_name) q
    CROSS JOIN LATERAL (SELECT CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS kind) k
    LEFT JOIN LATERAL (
        SELECT ARRAY[format('DROP %%s %%s', k.kind, q.sql_name)] AS drops,
               ARRAY[format('CREATE %%s %%s%%s AS %%s%%s', k.kind, q.sql_name,
                            ' WITH (' || array_to_string(c.reloptions, ', ') || ')',
                            rtrim(pg_get_viewdef(c.oid), ';'),
                            CASE WHEN c.relkind = 'm' AND NOT c.relispopulated THEN ' WITH NO DATA' END)]
               || ARRAY(SELECT format('ALTER VIEW %%s ALTER COLUMN %%I SET DEFAULT %%s', q.sql_name, a.attname,
                                      pg_get_expr(d.adbin, d.adrelid))
                        FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
                        WHERE d.adrelid = c.oid ORDER BY d.adnum)
               || ARRAY(SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = c.oid ORDER BY indexrelid)
               || ARRAY(SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal
                        ORDER BY tgname)
               || ARRAY(SELECT rtrim(pg_get_ruledef(oid), ';') FROM pg_rewrite
                        WHERE ev_class = c.oid AND rulename <> '_RETURN' ORDER BY rulename)
               || ARRAY(SELECT CASE WHEN o.objsubid = 0
                               THEN format('COMMENT ON %%s %%s IS %%L', k.kind, q.sql_name, o.description)
                               ELSE format('COMMENT ON COLUMN %%s.%%I IS %%L', q.sql_name, a.attname, o.description) END
                        FROM pg_description o
                        LEFT JOIN pg_attribute a ON a.attrelid = o.objoid AND a.attnum = o.objsubid AND o.objsubid > 0
                        WHERE o.classoid = 'pg_class'::regclass AND o.objoid = c.oid ORDER BY o.objsubid)
               || ARRAY(SELECT format('COMMENT ON INDEX %%s IS %%L', x.indexrelid::regclass, o.description)
                        FROM pg_index x
                        JOIN pg_description o ON o.classoid = 'pg_class'::regclass AND o.objoid = x.indexrelid
                        WHERE x.indrelid = c.oid ORDER BY x.indexrelid)
               || ARRAY(SELECT format('GRANT %%s ON %%s TO %%s%%s', g.privilege_type, q.sql_name, {grantee})
                        FROM aclexplode(c.relacl) g WHERE g.grantee <> c.relowner)
               || ARRAY(SELECT format('GRANT %%s (%%I) ON %%s TO %%s%%s', g.privilege_type, a.attname, q.sql_name, {grantee})
                        FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) g
                        WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL AND g.grantee <> c.relowner)
               || format('ALTER %%s %%s OWNER TO %%I', k.kind, q.sql_name, pg_get_userbyid(c.relowner)) AS creates,
               NOT EXISTS (SELECT FROM pg_depend d
                           WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
               AND NOT EXISTS (SELECT FROM pg_depend d LEFT JOIN pg_rewrite r ON r.oid = d.objid
                               WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.deptype = 'n'
                                 AND (d.classid NOT IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass,
                                                        'pg_attrdef'::regclass)
                                      OR (d.classid = 'pg_rewrite'::regclass AND r.rulename <> '_RETURN'
                                          AND r.ev_class <> c.oid)))
               AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_type y ON y.oid = d.refobjid
                               WHERE d.refclassid = 'pg_type'::regclass AND d.deptype = 'n'
                                 AND (y.oid = c.reltype OR y.typelem = c.reltype)) AS restorable
        WHERE f.classid = 'pg_class'::regclass
        UNION ALL
        SELECT ARRAY[format('DROP RULE %%I ON %%s', r.rulename, q.sql_name)],
               ARRAY[rtrim(pg_get_ruledef(r.oid), ';')], r.ev_enabled = 'O'
        FROM pg_rewrite r WHERE f.classid = 'pg_rewrite'::regclass AND r.oid = f.objid
        UNION ALL
        SELECT ARRAY[format('DROP TRIGGER %%I ON %%s', g.tgname, q.sql_name)],
               ARRAY[pg_get_triggerdef(g.oid)]
               || ARRAY(SELECT format('ALTER TABLE %%s %%s TRIGGER %%I', q.sql_name,
                                      CASE g.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA'
                                      ELSE 'ENABLE ALWAYS' END, g.tgname) WHERE g.tgenabled <> 'O')
               || ARRAY(SELECT format('COMMENT ON TRIGGER %%I ON %%s IS %%L', g.tgname, q.sql_name, o.description)
                        FROM pg_description o WHERE o.classoid = 'pg_trigger'::regclass AND o.objoid = g.oid),
               true
        FROM pg_trigger g WHERE f.classid = 'pg_trigger'::regclass AND g.oid = f.objid
        UNION ALL
        SELECT ARRAY[format('DROP POLICY %%I ON %%s', p.polname, q.sql_name)],
               ARRAY[concat(format('CREATE POLICY %%I ON %%s AS %%s FOR %%s TO ', p.polname, q.sql_name,
                                   CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                                   CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                                   WHEN 'd' THEN 'DELETE' ELSE 'ALL' END),
                            (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END,
                                               ', ') FROM unnest(p.polroles) AS role),
                            ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                            ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')],
               true
        FROM pg_policy p WHERE f.classid = 'pg_policy'::regclass AND p.oid = f.objid
        UNION ALL
        SELECT ARRAY[format('ALTER PUBLICATION %%I DROP TABLE %%s', p.pubname, q.sql_name)],
               ARRAY[concat(format('ALTER PUBLICATION %%I ADD TABLE %%s', p.pubname, q.sql_name),
                            (SELECT ' (' || string_agg(quote_ident(a.name), ', ') || ')'
                             FROM jsonb_array_elements_text(to_jsonb(t) -> 'attnames') AS a(name)
                             WHERE to_jsonb(pr) ->> 'prattrs' IS NOT NULL),
                            ' WHERE (' || (to_jsonb(t) ->> 'rowfilter') || ')')],
               true
        FROM pg_publication_rel pr
        JOIN pg_publication p ON p.oid = pr.prpubid
        JOIN pg_publication_tables t ON (t.pubname, t.schemaname, t.tablename) = (p.pubname, n.nspname, c.relname)
        WHERE f.classid = 'pg_publication_rel'::regclass AND pr.oid = f.objid
        UNION ALL
        SELECT ARRAY[format('ALTER TABLE %%s DROP CONSTRAINT IF EXISTS %%I', q.sql_name, k.conname)],
               ARRAY[format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', q.sql_name, k.conname, pg_get_constraintdef(k.oid))]
               || ARRAY(SELECT format('COMMENT ON CONSTRAINT %%I ON %%s IS %%L', k.conname, q.sql_name, o.description)
                        FROM pg_description o WHERE o.classoid = 'pg_constraint'::regclass AND o.objoid = k.oid),
               NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgenabled <> 'O')
        FROM pg_constraint k WHERE f.classid = 'pg_constraint'::regclass AND k.oid = f.objid
    ) parts ON true
    ORDER BY f.table_oid, f.level, f.name
""".replace("{grantee}", _GRANTEE)

# The columns elsewhere that hold rows of the asked tables' types, or of types made of these (arrays, domains, composites).
# While one exists, PostgreSQL neither alters a type in the table nor adds a column with a default. An ordinary column of
# just that type on which nothing depends is restorable: its rows are JSON meanwhile, by the names of their columns.
# As text, they would be by position, which changes where a generated column is created anew. In JSON, its null is no other
# than NULL, and an array's indexes begin at 1.
ROW_TYPE_COLUMNS = """
    WITH RECURSIVE types (table_oid, oid) AS (
        SELECT c.oid, c.reltype FROM unnest(%s::oid[]) AS w(oid) JOIN pg_class c ON c.oid = w.oid
        UNION
        SELECT t.table_oid, coalesce(c.reltype, d.objid)
        FROM types t
        JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid = t.oid
        LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relkind NOT IN ('r', 'p', 'm')
        WHERE d.classid = 'pg_type'::regclass OR c.oid IS NOT NULL
    )
    SELECT t.table_oid, pg_describe_object(d.classid, d.objid, d.objsubid) AS name, c.relname AS relation,
           pg_has_role(c.relowner, 'USAGE') AS owned,
           c.relkind = 'r' AND a.atttypid = w.reltype AND a.attinhcount = 0
           AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
           AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.refclassid = 'pg_class'::regclass
                           AND (x.refobjid, x.refobjsubid) = (c.oid, a.attnum)) AS restorable,
           ARRAY[format('ALTER TABLE %%I.%%I ALTER COLUMN %%I TYPE json USING to_json(%%I)',
                        n.nspname, c.relname, a.attname, a.attname)] AS drops,
           ARRAY[format('ALTER TABLE %%I.%%I ALTER COLUMN %%I TYPE %%s'
                        ' USING CASE WHEN %%I IS NOT NULL THEN json_populate_record(NULL::%%s, %%I) END',
                        n.nspname, c.relname, a.attname, y.name, a.attname, y.name, a.attname)] AS creates
    FROM types t
    JOIN pg_class w ON w.oid = t.table_oid
    JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_class'::regclass
    JOIN pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p', 'm')
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND NOT a.attisdropped
    CROSS JOIN LATERAL format_type(w.reltype, NULL) AS y(name)
    ORDER BY t.table_oid, name
"""

# The columns that are asked for by label, and all whose values they limit by foreign keys, at however many removes.
WIDENED_COLUMNS = """
    WITH RECURSIVE labelled AS (
        SELECT a.attrelid AS oid, a.attnum AS number,
               concat(CASE WHEN c.relnamespace <> {namespace} THEN n.nspname || '.' END, c.relname, '.', a.attname) AS label
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE a.attnum > 0 AND NOT a.attisdropped
    ),
    found (oid, number) AS (
        SELECT oid, number FROM labelled WHERE label = ANY (%s)
        UNION
        SELECT f.conrelid, f.conkey[array_position(f.confkey, w.number)]
        FROM found w
        JOIN pg_constraint f ON f.contype = 'f' AND f.confrelid = w.oid AND f.conparentid = 0 AND w.number = ANY (f.confkey)
    )
    SELECT c.oid AS table_oid, n.nspname AS schema, c.relname AS relation, c.relnamespace = {namespace} AS here,
           a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, l.label
    FROM found w
    JOIN pg_attribute a ON a.attrelid = w.oid AND a.attnum = w.number
    JOIN pg_class c ON c.oid = w.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN labelled l ON (l.oid, l.number) = (w.oid, w.number)
    ORDER BY l.label
"""

# What columns have that isn't part of a table's definition elsewhere here: the statements that give it to new columns of the
# same names; what keeps them from being replaced, with the statement that removes it; and the options of an identity.
# Before PostgreSQL 17, -1 stands for the default statistics target.
WIDENING_FACTS = """
    SELECT w.oid AS table_oid, w.name,
           ARRAY(SELECT format('COMMENT ON COLUMN %%s.%%I IS %%L', t.sql_name, w.name, o.description)
                 FROM pg_description o
                 WHERE o.classoid = 'pg_class'::regclass AND (o.objoid, o.objsubid) = (w.oid, a.attnum))
           || ARRAY(SELECT format('GRANT %%s (%%I) ON %%s TO %%s%%s', g.privilege_type, w.name, t.sql_name, {grantee})
                    FROM aclexplode(a.attacl) g)
           || ARRAY(SELECT format('ALTER TABLE %%s ALTER COLUMN %%I SET STATISTICS %%s', t.sql_name, w.name,
                                  to_jsonb(a) ->> 'attstattarget') WHERE to_jsonb(a) ->> 'attstattarget' <> '-1')
           || ARRAY(SELECT format('ALTER TABLE %%s ALTER COLUMN %%I SET (%%s)', t.sql_name, w.name,
                                  array_to_string(a.attoptions, ', ')) WHERE a.attoptions IS NOT NULL)
           || ARRAY(SELECT format('COMMENT ON CONSTRAINT %%I ON %%s IS %%L', k.conname, k.conrelid::regclass, o.description)
                    FROM pg_constraint k
                    JOIN pg_description o ON o.classoid = 'pg_constraint'::regclass AND o.objoid = k.oid
                    WHERE (k.conrelid = w.oid AND a.attnum = ANY (k.conkey))
                       OR (k.confrelid = w.oid AND a.attnum = ANY (k.confkey)) ORDER BY k.oid)
           || ARRAY(SELECT format('COMMENT ON SEQUENCE %%s IS %%L', i.sql_name, o.description) FROM pg_description o
                    WHERE o.classoid = 'pg_class'::regclass AND o.objoid = i.oid)
           || ARRAY(SELECT format('GRANT %%s ON SEQUENCE %%s TO %%s%%s', g.privilege_type, i.sql_name, {grantee})
                    FROM aclexplode(i.relacl) g WHERE g.grantee <> i.relowner) AS restore,
           ARRAY(SELECT jsonb_build_array(pg_describe_object(d.classid, d.objid, d.objsubid),
                                          CASE WHEN d.classid = 'pg_statistic_ext'::regclass THEN
                                          (SELECT format('DROP STATISTICS %%I.%%I', sn.nspname, s.stxname)
                                           FROM pg_statistic_ext s JOIN pg_namespace sn ON sn.oid = s.stxnamespace
                                           WHERE s.oid = d.objid) ELSE '' END)::text
                 FROM pg_depend d
                 LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
                 LEFT JOIN pg_attrdef e ON d.classid = 'pg_attrdef'::regclass AND e.oid = d.objid
                 WHERE d.refclassid = 'pg_class'::regclass AND (d.refobjid, d.refobjsubid) = (w.oid, a.attnum)
                   AND d.classid NOT IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass,
                                         'pg_publication_rel'::regclass, 'pg_proc'::regclass, 'pg_constraint'::regclass)
                   AND coalesce(c.relkind NOT IN ('i', 'S'), true) AND e.adnum IS DISTINCT FROM a.attnum)
           || ARRAY(SELECT jsonb_build_array('publication ' || p.pubname, CASE WHEN r.oid IS NOT NULL
                        THEN format('ALTER PUBLICATION %%I DROP TABLE %%s', p.pubname, t.sql_name) ELSE '' END)::text
                    FROM pg_publication_tables p
                    JOIN pg_publication b ON b.pubname = p.pubname
                    LEFT JOIN pg_publication_rel r ON r.prpubid = b.oid AND r.prrelid = w.oid
                    WHERE (p.schemaname, p.tablename) = (t.schema, t.name))
           || ARRAY(SELECT jsonb_build_array('the inheritance between ' || inhparent::regclass || ' and '
                                             || inhrelid::regclass, '')::text
                    FROM pg_inherits WHERE w.oid IN (inhparent, inhrelid)) AS obstacles,
           i.options
    FROM unnest(%s::oid[], %s::text[]) AS w(oid, name)
    JOIN pg_attribute a ON a.attrelid = w.oid AND a.attname = w.name
    JOIN LATERAL (
        SELECT n.nspname AS schema, c.relname AS name, format('%%I.%%I', n.nspname, c.relname) AS sql_name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = w.oid
    ) t ON true
    LEFT JOIN LATERAL (
        SELECT q.oid, q.relowner, q.relacl, format('%%I.%%I', n.nspname, q.relname) AS sql_name,
               concat(format('(SEQUENCE NAME %%I.%%I START WITH %%s INCREMENT BY %%s MINVALUE %%s', n.nspname, q.relname,
                             s.seqstart, s.seqincrement,
                             CASE WHEN s.seqmin IN (-32768, -2147483648) THEN -9223372036854775808 ELSE s.seqmin END),
                      ' MAXVALUE ' || CASE WHEN s.seqmax IN (32767, 2147483647) AND s.seqincrement > 0
                                      THEN 9223372036854775807 ELSE s.seqmax END,
                      ' CACHE ' || s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' END, ')') AS options
        FROM pg_depend d
        JOIN pg_class q ON q.oid = d.objid AND q.relkind = 'S'
        JOIN pg_namespace n ON n.oid = q.relnamespace
        JOIN pg_sequence s ON s.seqrelid = q.oid
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i'
          AND (d.refobjid, d.refobjsubid) = (w.oid, a.attnum)
    ) i ON true
    ORDER BY w.oid, a.attnum
""".replace("{grantee}", _GRANTEE)
