-- Operators read every table of this schema, those of later migrations and partitions that are made at run time too, and
-- write none. No function is theirs to call, and no number of a sequence to take.
GRANT USAGE ON SCHEMA uploader TO depot_operator;
GRANT SELECT ON ALL TABLES IN SCHEMA uploader TO depot_operator;
ALTER DEFAULT PRIVILEGES IN SCHEMA uploader GRANT SELECT ON TABLES TO depot_operator;
