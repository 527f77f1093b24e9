-- See overview(). Counts the rows that a shard's stored position does not see, up to 1,000 in each of its two parts.
SELECT s.shard, coalesce(s.expires_at > now(), false) AS "held!", waiting.rows AS "rows!",
       waiting.rows >= 1000 AS "capped!", waiting.oldest_at
FROM outbox_shards s
CROSS JOIN LATERAL (
    SELECT count(*) AS rows, min(occurred_at) AS oldest_at
    FROM (
        (SELECT o.occurred_at FROM outbox o
         WHERE o.shard = s.shard AND o.xid >= pg_snapshot_xmax(s.position)::text::bigint
         ORDER BY o.xid, o.id LIMIT 1000)
        UNION ALL
        (SELECT o.occurred_at FROM pg_snapshot_xip(s.position) AS running(xid)
         JOIN outbox o ON o.shard = s.shard AND o.xid = running.xid::text::bigint
         LIMIT 1000)
    ) AS counted
) AS waiting
ORDER BY s.shard
