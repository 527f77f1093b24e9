-- The value of each peer's messages: data as Depot's `depot.item.created.v1` has them, about 700 bytes, the same for
-- all peers. `n` counts the rows of a run: by it the measurement finds the message of a row again.
CREATE FUNCTION payload(id uuid, n bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT '{"item":{"id":"' || id || '","owner":"user-' || lpad((n % 1000)::text, 6, '0') || '","name":"Item ' || n
        || '","description":"A sample of the measurement series, taken from the north shelf and kept for comparison '
        || 'with those that will follow in spring; handle with care, and put it back into its own box afterwards, '
        || 'where the next one looks for it.","tags":["sample","north-shelf","series-7"],'
        || '"attributes":{"sequence":' || n || ',"colour":"blue","weight_grams":1250,"supplier":"Example Works",'
        || '"batch":"2026-11-B"},"status":"draft","files":[],"version":1,"created_at":"2026-11-24T10:00:00.123456Z",'
        || '"updated_at":"2026-11-24T10:00:00.123456Z","deleted":false},"changed":[],"actor":"user-'
        || lpad((n % 1000)::text, 6, '0') || '"}'
$$;

-- `append(first, count)` comes from each peer's tables.sql. A thousand rows a transaction: commands that commit one by
-- one would make a reader of the log of changes pay for each commit, and one transaction for all is no outbox.
CREATE PROCEDURE fill(from_n integer, row_count integer) LANGUAGE plpgsql AS $$
DECLARE
    filled name;
BEGIN
    FOR next_n IN from_n .. from_n + row_count - 1 BY 1000 LOOP
        PERFORM append(next_n, least(1000, from_n + row_count - next_n));
        COMMIT;
    END LOOP;
    FOR filled IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema LOOP
        EXECUTE format('ANALYZE %I', filled);
    END LOOP;
END $$;
