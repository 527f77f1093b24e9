-- The messages table as watermill-sql's DefaultPostgreSQLSchema makes it, made here since rows are there before the
-- forwarder starts; it finds it, and makes the table of offsets itself. A row holds what the forwarder's publisher puts
-- into it: an envelope with the topic of destination and the message, the payload in base64.
CREATE TABLE "watermill_events_to_forward" (
    "offset"         bigserial,
    "uuid"           varchar(36) NOT NULL,
    "created_at"     timestamp   NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "payload"        json DEFAULT NULL,
    "metadata"       json DEFAULT NULL,
    "transaction_id" xid8        NOT NULL,
    PRIMARY KEY ("transaction_id", "offset")
);

CREATE FUNCTION append(first bigint, row_count integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO "watermill_events_to_forward" ("uuid", "payload", "metadata", "transaction_id")
    SELECT gen_random_uuid()::text,
           json_build_object(
               'destination_topic', current_setting('peers.topic'),
               'uuid', gen_random_uuid(),
               'payload', replace(encode(convert_to(payload(id, n), 'UTF8'), 'base64'), E'\n', ''),
               'metadata', json_build_object('partition_key', id)),
           '{}', pg_current_xact_id()
    FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(first, first + row_count - 1) AS n) AS new
$$;
