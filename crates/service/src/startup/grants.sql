-- What a role may do beyond what a service has to: one row a right, by its kind.
-- $1: the service's own schema. $2: what it must not do to tables of that schema, as 'PRIVILEGE' for all of them or as
-- 'table PRIVILEGE' for one. $3: the role, which has to be there; none: that of this session.
WITH role AS (
    SELECT rolname AS name, rolsuper AS is_super FROM pg_roles WHERE rolname = coalesce($3::text, current_user::text)
),
-- Every role whose rights it has or can take: itself, and those that it is a member of.
taken AS (
    SELECT r.* FROM pg_roles r, role WHERE NOT is_super AND pg_has_role(role.name, r.oid, 'MEMBER')
),
namespaces AS (
    SELECT n.oid, n.nspname, n.nspowner FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
),
relations AS (
    SELECT c.oid, n.nspname, c.relname, c.relowner,
           has_schema_privilege(role.name, n.oid, 'USAGE') AS is_reachable
    FROM role CROSS JOIN pg_class c JOIN namespaces n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
      -- What an extension brings is the extension's to protect.
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
),
privileges AS (
    SELECT name, name IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AS is_of_columns
    FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS name
),
held AS (
    SELECT r.nspname, r.relname, p.name
    FROM role CROSS JOIN relations r CROSS JOIN privileges p
    WHERE r.is_reachable
      -- An owner is told of as that.
      AND NOT pg_has_role(role.name, r.relowner, 'MEMBER')
      AND (has_table_privilege(role.name, r.oid, p.name)
           OR CASE WHEN p.is_of_columns THEN has_any_column_privilege(role.name, r.oid, p.name) ELSE false END)
),
found AS (
    SELECT 'superuser' AS kind, 'SUPERUSER' AS what FROM role WHERE is_super
    UNION ALL
    SELECT 'attribute', a.name || CASE WHEN t.rolname = role.name THEN '' ELSE ' by role ' || t.rolname END
    FROM role CROSS JOIN taken t
    CROSS JOIN LATERAL (VALUES ('SUPERUSER', t.rolsuper), ('CREATEROLE', t.rolcreaterole), ('CREATEDB', t.rolcreatedb),
                               ('REPLICATION', t.rolreplication), ('BYPASSRLS', t.rolbypassrls)) AS a (name, is_set)
    WHERE a.is_set
    UNION ALL
    SELECT 'member', t.rolname FROM taken t
    WHERE t.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
                        'pg_execute_server_program', 'pg_maintain', 'pg_signal_backend', 'pg_create_subscription')
    UNION ALL
    SELECT 'owner', 'database ' || d.datname FROM pg_database d JOIN taken t ON t.oid = d.datdba
    WHERE d.datname = current_database()
    UNION ALL
    SELECT 'owner', 'schema ' || n.nspname FROM namespaces n JOIN taken t ON t.oid = n.nspowner
    UNION ALL
    SELECT 'owner', 'table ' || r.nspname || '.' || r.relname FROM relations r JOIN taken t ON t.oid = r.relowner
    UNION ALL
    SELECT 'create', 'DATABASE ' || current_database() FROM role
    WHERE NOT is_super AND has_database_privilege(role.name, current_database(), 'CREATE')
      AND NOT EXISTS (SELECT FROM pg_database d JOIN taken t ON t.oid = d.datdba WHERE d.datname = current_database())
    UNION ALL
    SELECT 'create', 'SCHEMA ' || n.nspname FROM namespaces n, role
    WHERE NOT is_super AND has_schema_privilege(role.name, n.oid, 'CREATE') AND NOT pg_has_role(role.name, n.nspowner, 'MEMBER')
    UNION ALL
    SELECT 'table', string_agg(h.name, ', ' ORDER BY h.name) || ' ON ' || h.nspname || '.' || h.relname
    FROM held h, role
    WHERE NOT is_super
      AND (h.nspname <> $1 OR h.name = ANY ($2::text[]) OR h.relname || ' ' || h.name = ANY ($2::text[]))
    GROUP BY h.nspname, h.relname
)
SELECT role.name::text AS "role!", kind AS "kind!", what AS "what!" FROM found CROSS JOIN role ORDER BY kind, what
