-- See Store::read_backlog. Both branches give rows in the order of an index, so that a page costs a page: the first of
-- outbox_backlog (which is on these expressions), the second of outbox_unread.
SELECT page.shard AS "shard!", page.found AS "found!", page.id AS "id!", page.xid AS "xid!",
       page.aggregate_id AS "aggregate_id!", page.aggregate_version AS "aggregate_version!",
       page.event_id AS "event_id!", page.event_type AS "event_type!", page.topic AS "topic!",
       page.occurred_at AS "occurred_at!", page.headers AS "headers!", page.payload AS "payload!"
FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::bigint[])
     AS asked(shard, from_xmax, from_running, until_xmax, until_running, after_id)
CROSS JOIN LATERAL (
    -- Bytes are counted without fetching a long payload; it is fetched only for the rows that are kept.
    SELECT first.*, count(*) OVER () AS found,
           sum(octet_length(first.payload) + octet_length(first.headers)) OVER (ORDER BY first.id)
               - octet_length(first.payload) - octet_length(first.headers) AS bytes_before
    FROM (
        SELECT unread.*
        FROM (
            (SELECT o.* FROM outbox o
             WHERE o.shard + 0 = asked.shard AND o.id + 0 > asked.after_id
               AND o.xid + 0 >= asked.from_xmax AND o.xid + 0 < asked.until_xmax
               AND o.xid <> ALL (asked.until_running::bigint[])
             ORDER BY o.id + 0 LIMIT $7::bigint)
            UNION ALL
            (SELECT late.*
             FROM unnest(asked.from_running::bigint[]) AS running(xid)
             CROSS JOIN LATERAL (
                 SELECT o.* FROM outbox o
                 WHERE o.shard = asked.shard AND o.xid = running.xid AND o.id > asked.after_id
                 ORDER BY o.id LIMIT $7::bigint
             ) AS late
             WHERE running.xid < asked.until_xmax AND running.xid <> ALL (asked.until_running::bigint[]))
        ) AS unread
        ORDER BY unread.id LIMIT $7::bigint
    ) AS first
) AS page
WHERE page.bytes_before < $8::bigint
ORDER BY page.shard, page.aggregate_version, page.id
