-- An accepted command in the best single statement: key with its answer, item and event in one round trip, which is its
-- own transaction. Sizes and ids as in accepted_plain.sql.
\set n :n + 1
\set id :run * 1000000000000000 + :client_id * 1000000000000 + :n
WITH key AS (
    INSERT INTO command.idempotency_keys (principal, route, key, fingerprint, expires_at, status, headers, body)
    VALUES ('bench', 'POST /api/v1/items', lpad(to_hex(:id::bigint), 36, '0'), decode(lpad(to_hex(:id::bigint), 64, '0'), 'hex'),
            now() + interval '24 hours', 201, :answer_headers::text::jsonb, repeat('b', :body::integer)::bytea)
    ON CONFLICT (principal, route, key) DO NOTHING
    RETURNING 1
), item AS (
    INSERT INTO command.items (id, owner, name, description, tags, attributes, status, files, version, created_at, updated_at)
    SELECT lpad(to_hex(:id::bigint), 32, '0')::uuid, 'bench', 'Bench item', 'Made under load, to be found by its words.',
           '{bench,tag-7}'::text[], '{"n": 7, "colour": "red"}'::jsonb, 'draft', '[]'::jsonb, 1, now(), now()
    FROM key
    RETURNING id
)
INSERT INTO command.outbox (shard, topic, aggregate_id, aggregate_version, event_id, event_type, occurred_at, headers, payload)
SELECT (:id::bigint % 64)::smallint, 'depot.items.v1', item.id, 1, lpad(to_hex(:id::bigint), 32, 'a')::uuid,
       'depot.item.created.v1', now(), repeat('h', :headers::integer), repeat('p', :payload::integer)::bytea
FROM item;
