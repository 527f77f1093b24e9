-- See Store::read_backlog. Rows come as two indexes give them, so that a page costs a page and sorts nothing: those of
-- outbox_backlog (which is on these expressions), and those of transactions that were running, of outbox_unread.
SELECT asked.shard AS "shard!", page.is_late AS "is_late!", page.id AS "id!", page.xid AS "xid!",
       page.aggregate_id AS "aggregate_id!", page.aggregate_version AS "aggregate_version!",
       page.event_id AS "event_id!", page.event_type AS "event_type!", page.topic AS "topic!",
       page.occurred_at AS "occurred_at!", page.headers AS "headers!", page.payload AS "payload!"
FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::bigint[])
     AS asked(shard, from_xmax, from_running, until_xmax, until_running, after_id)
CROSS JOIN LATERAL (
    -- Bytes are counted without fetching a long payload; it is fetched only for the rows that are kept.
    (SELECT false AS is_late, first.*,
            sum(octet_length(first.payload) + octet_length(first.headers))
                OVER (ORDER BY first.place ROWS UNBOUNDED PRECEDING)
                - octet_length(first.payload) - octet_length(first.headers) AS bytes_before
     FROM (
         SELECT o.*, o.id + 0 AS place FROM outbox o
         WHERE o.shard + 0 = asked.shard AND o.id + 0 > asked.after_id
           AND o.xid + 0 >= asked.from_xmax AND o.xid + 0 < asked.until_xmax
           AND o.xid <> ALL (asked.until_running::bigint[])
         ORDER BY o.id + 0 LIMIT $7::bigint
     ) AS first)
    UNION ALL
    (SELECT true AS is_late, first.*,
            sum(octet_length(first.payload) + octet_length(first.headers))
                OVER (ORDER BY first.place ROWS UNBOUNDED PRECEDING)
                - octet_length(first.payload) - octet_length(first.headers) AS bytes_before
     FROM (
         SELECT late.*, late.id AS place
         FROM unnest(asked.from_running::bigint[]) AS running(xid)
         CROSS JOIN LATERAL (
             SELECT o.* FROM outbox o
             WHERE o.shard = asked.shard AND o.xid = running.xid AND o.id > asked.after_id
             ORDER BY o.id LIMIT $7::bigint
         ) AS late
         WHERE running.xid < asked.until_xmax AND running.xid <> ALL (asked.until_running::bigint[])
         ORDER BY late.id LIMIT $7::bigint
     ) AS first)
) AS page
WHERE page.bytes_before < $8::bigint
