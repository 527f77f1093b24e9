-- The table in the shape that the documentation of the outbox event router gives.
CREATE TABLE outbox (
    id            uuid         PRIMARY KEY,
    aggregatetype varchar(255) NOT NULL,
    aggregateid   varchar(255) NOT NULL,
    type          varchar(255) NOT NULL,
    payload       jsonb
);

CREATE FUNCTION append(first bigint, row_count integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload)
    SELECT gen_random_uuid(), 'item', id, 'depot.item.created.v1', payload(id, n)::jsonb
    FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(first, first + row_count - 1) AS n) AS new
$$;
