-- What a view comes to in one version of the views: a row for each bucket with how many rows it has, and the sum of their
-- hashes, which is the same in whatever order they come. With ids, a row for each id in the buckets that are wanted.
--
-- $1: the version of the views; $2: the view; $3: whether ids are wanted; $4: of which buckets; $5: what the history is
-- dated before is left out, since it may be dropped at any moment.
--
-- All of a row counts, but for the version that it belongs to, and for what Postgres makes of other columns by itself. In the
-- history that is also where an event lies in the log, by which streams resume. Statistics of nothing may be there or not.
WITH hashed AS (
    SELECT t.id::text AS id, hashtextextended((to_jsonb(t) - '{projection,search}'::text[])::text, 0) AS hash
    FROM read.items t WHERE $2 = 'items' AND t.projection = $1
    UNION ALL
    SELECT t.id::text, hashtextextended((to_jsonb(t) - 'projection')::text, 0)
    FROM read.uploads t WHERE $2 = 'uploads' AND t.projection = $1
    UNION ALL
    SELECT t.kind || ' ' || t.id, hashtextextended((to_jsonb(t) - 'projection')::text, 0)
    FROM read.declared_aggregates t WHERE $2 = 'declared_aggregates' AND t.projection = $1
    UNION ALL
    SELECT t.item_id::text, hashtextextended((to_jsonb(t) - 'projection')::text, 0)
    FROM read.item_history t WHERE $2 = 'item_history' AND t.projection = $1 AND t.occurred_at >= $5::text::timestamptz
    UNION ALL
    SELECT t.tag, hashtextextended((to_jsonb(t) - 'projection')::text, 0)
    FROM read.tag_statistics t WHERE $2 = 'tag_statistics' AND t.projection = $1 AND t.items <> 0
    UNION ALL
    SELECT t.owner, hashtextextended((to_jsonb(t) - 'projection')::text, 0)
    FROM read.owner_statistics t
    WHERE $2 = 'owner_statistics' AND t.projection = $1 AND (t.items, t.files, t.file_bytes) <> (0, 0, 0)
), bucketed AS (
    SELECT (hashtextextended(h.id, 1) & 1023)::integer AS bucket, h.id, h.hash FROM hashed h
)
SELECT b.bucket AS "bucket!", CASE WHEN $3 THEN b.id END AS "id?", count(*) AS "rows!", sum(b.hash)::text AS "sum!"
FROM bucketed b
WHERE NOT $3 OR b.bucket = ANY ($4)
GROUP BY 1, 2
ORDER BY 1, 2
