-- See Store::read_new. A line a row; of a shard with more than a page, one line that says so; without any, one line
-- that has the snapshot alone. The newest id drawn is read after the snapshot is taken, so no visible row is beyond it;
-- it keeps the partitions that lie ahead out of 64 times the number of running transactions of probes.
SELECT pg_current_snapshot()::text AS "snapshot!",
       new.shard AS "shard?", new.found AS "found?", new.bytes AS "bytes?", new.id AS "id?", new.xid AS "xid?",
       new.aggregate_id AS "aggregate_id?", new.aggregate_version AS "aggregate_version?",
       new.event_id AS "event_id?", new.event_type AS "event_type?", new.topic AS "topic?",
       new.occurred_at AS "occurred_at?", new.headers AS "headers?", new.payload AS "payload?"
FROM (SELECT 1) AS once
LEFT JOIN (
    SELECT counted.*
    FROM unnest($1::smallint[], $2::bigint[], $3::text[]) AS asked(shard, from_xmax, from_running)
    CROSS JOIN LATERAL (
        -- Bytes are counted without fetching a long payload; it is fetched only for the rows that are kept.
        SELECT unread.*, count(*) OVER () AS found, row_number() OVER () AS number,
               sum(octet_length(unread.payload) + octet_length(unread.headers)) OVER () AS bytes
        FROM (
            (SELECT o.* FROM outbox o
             WHERE o.shard = asked.shard AND o.xid >= asked.from_xmax AND o.id <= (SELECT last_value FROM outbox_id_seq)
             LIMIT $4::bigint + 1)
            UNION ALL
            -- A probe of the index for each; OFFSET 0 keeps the planner from a join that would read the shard whole.
            (SELECT o.* FROM unnest(asked.from_running::bigint[]) AS running(xid)
             CROSS JOIN LATERAL (
                 SELECT o.* FROM outbox o
                 WHERE o.shard = asked.shard AND o.xid = running.xid AND o.id <= (SELECT last_value FROM outbox_id_seq)
                 OFFSET 0
             ) AS o
             LIMIT $4::bigint + 1)
        ) AS unread
    ) AS counted
    WHERE counted.number = 1 OR (counted.found <= $4::bigint AND counted.bytes <= $5::bigint)
) AS new ON true
ORDER BY new.shard, new.aggregate_version, new.id
