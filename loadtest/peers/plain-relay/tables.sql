CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic        text        NOT NULL,
    aggregate_id uuid        NOT NULL,
    payload      text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    sent_at      timestamptz
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;

CREATE FUNCTION append(first bigint, row_count integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO outbox (topic, aggregate_id, payload)
    SELECT current_setting('peers.topic'), id, payload(id, n)
    FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(first, first + row_count - 1) AS n) AS new
$$;
