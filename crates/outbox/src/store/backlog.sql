-- See Store::backlog. `most` is the count of the fullest shard.
SELECT coalesce(sum(waiting.rows), 0)::bigint AS "rows!", coalesce(max(waiting.rows), 0) AS "most!",
       coalesce(min(oldest.id), 0) AS "oldest_id!", (SELECT last_value FROM outbox_id_seq) AS "newest_id!",
       coalesce(extract(epoch FROM clock_timestamp() - min(oldest.occurred_at)), 0)::float8 AS "age!"
FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::bigint[]) AS asked(shard, xmax, running, after_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS rows
    FROM (
        (SELECT FROM outbox o
         WHERE o.shard = asked.shard AND o.xid >= asked.xmax AND o.id > asked.after_id
         LIMIT $5::bigint)
        UNION ALL
        (SELECT FROM unnest(asked.running::bigint[]) AS running(xid)
         JOIN outbox o ON o.shard = asked.shard AND o.xid = running.xid AND o.id > asked.after_id
         LIMIT $5::bigint)
    ) AS counted
) AS waiting
CROSS JOIN LATERAL (
    SELECT min(first.id) AS id, min(first.occurred_at) AS occurred_at
    FROM (
        (SELECT o.id, o.occurred_at FROM outbox o
         WHERE o.shard = asked.shard AND o.xid >= asked.xmax AND o.id > asked.after_id
         ORDER BY o.xid, o.id LIMIT 1)
        UNION ALL
        (SELECT o.id, o.occurred_at FROM unnest(asked.running::bigint[]) AS running(xid)
         JOIN outbox o ON o.shard = asked.shard AND o.xid = running.xid AND o.id > asked.after_id
         LIMIT 1)
    ) AS first
) AS oldest
