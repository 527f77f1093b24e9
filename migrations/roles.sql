-- Roles of the services, one each, that can touch their own schema and nothing else. Run by `depot migrate` before
-- the schemas' migrations, as the owner of the database, and safe to run again. Passwords are not in here: `depot
-- migrate` sets them from the services' DATABASE_URLs.
DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY['depot_command', 'depot_uploader', 'depot_projector', 'depot_query'] LOOP
        -- Roles belong to the cluster: another database of it may have made them, even at this moment.
        PERFORM pg_advisory_xact_lock(hashtext('depot roles'));
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = service) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION', service);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), service);
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
END
$$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
