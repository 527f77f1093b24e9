-- An accepted command the plain way: one transaction a command, one round trip a statement. Key, item, event and answer
-- have the sizes that the product's have; ids grow, as the product's do.
\set n :n + 1
\set id :run * 1000000000000000 + :client_id * 1000000000000 + :n
BEGIN;
INSERT INTO command.idempotency_keys (principal, route, key, fingerprint, expires_at)
VALUES ('bench', 'POST /api/v1/items', lpad(to_hex(:id::bigint), 36, '0'), decode(lpad(to_hex(:id::bigint), 64, '0'), 'hex'),
        now() + interval '24 hours')
ON CONFLICT (principal, route, key) DO NOTHING;
INSERT INTO command.items (id, owner, name, description, tags, attributes, status, files, version, created_at, updated_at)
VALUES (lpad(to_hex(:id::bigint), 32, '0')::uuid, 'bench', 'Bench item', 'Made under load, to be found by its words.',
        '{bench,tag-7}', '{"n": 7, "colour": "red"}', 'draft', '[]', 1, now(), now());
INSERT INTO command.outbox (shard, topic, aggregate_id, aggregate_version, event_id, event_type, occurred_at, headers, payload)
VALUES ((:id::bigint % 64)::smallint, 'depot.items.v1', lpad(to_hex(:id::bigint), 32, '0')::uuid, 1,
        lpad(to_hex(:id::bigint), 32, 'a')::uuid, 'depot.item.created.v1', now(), repeat('h', :headers::integer),
        repeat('p', :payload::integer)::bytea);
UPDATE command.idempotency_keys
SET status = 201, headers = :answer_headers::text::jsonb, body = repeat('b', :body::integer)::bytea
WHERE principal = 'bench' AND route = 'POST /api/v1/items' AND key = lpad(to_hex(:id::bigint), 36, '0');
COMMIT;
