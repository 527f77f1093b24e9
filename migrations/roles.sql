-- Roles of the services, one each, that can touch their own schema and nothing else, and one for operators, that reads every
-- schema and writes none. Run by `depot migrate` before the schemas' migrations, as the owner of the database, and safe to
-- run again. Passwords are not in here: `depot migrate` sets them from the URLs that name these roles; a role that was given
-- none is entered by nobody.
DO $$
DECLARE
    entrant text;
BEGIN
    FOREACH entrant IN ARRAY ARRAY['depot_command', 'depot_uploader', 'depot_projector', 'depot_query', 'depot_operator'] LOOP
        -- Two at once in this database. Roles belong to the cluster: whoever migrates another database of it may have made them,
        -- even at this moment, and what is refused here for that reason is done there.
        PERFORM pg_advisory_xact_lock(hashtext('depot roles'));
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = entrant) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION', entrant);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                RAISE DEBUG '% was made by another', entrant;
            END;
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), entrant);
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    -- It has no right to write anything. This says so earlier, and in words that tell why.
    IF NOT EXISTS (SELECT FROM pg_roles
                   WHERE rolname = 'depot_operator' AND 'default_transaction_read_only=on' = ANY (rolconfig)) THEN
        BEGIN
            ALTER ROLE depot_operator SET default_transaction_read_only = on;
        EXCEPTION WHEN internal_error OR unique_violation THEN
            RAISE DEBUG 'depot_operator was told by another to read only';
        END;
    END IF;
    -- Which sessions there are, and since when their transactions are open. From Postgres 16 on not every owner may give it:
    -- `depot doctor` says so then, and that a superuser may.
    IF NOT pg_has_role('depot_operator', 'pg_read_all_stats', 'MEMBER') THEN
        BEGIN
            GRANT pg_read_all_stats TO depot_operator;
        EXCEPTION WHEN internal_error OR unique_violation THEN
            RAISE DEBUG 'depot_operator was granted it by another';
        WHEN insufficient_privilege THEN
            RAISE NOTICE 'depot_operator does not see the sessions of others: %', SQLERRM;
        END;
    END IF;
END
$$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
