-- Stores events of items: all of them in the history, the newest of each item in the view if it is newer than what is
-- there, and of those a note that the cache does not have them yet, if this version of the views serves. One statement, since
-- each is a round trip while the partition's offset is held.
--
-- Answers at least one row: how many versions the history did not have, whether this version serves, the generation of the
-- cache, and of each item that was stored what was there before, nulls where nothing was.
--
-- $1: the version of the views; $2 to $14: the columns of the newest versions, one row for each item; $15 to $27: the
-- columns of the history, sorted by item and version.
--
-- History: also versions that the view refuses as older go in: a history without holes does not depend on the order in which
-- it was told. Of a repeat the first stays: it lies in the same partition of the table, since each repeat of an event has the
-- same time. What is dated before the history begins by now is left out, and its place noted as one from which streams
-- cannot go on any more: otherwise a repeat would bring back pieces of what was dropped.
WITH told AS (
    SELECT * FROM unnest(
        $15::uuid[], $16::integer[], $17::bigint[], $18::uuid[], $19::text[], $20::uuid[], $21::text[], $22::jsonb[],
        $23::jsonb[], $24::timestamptz[], $25::text[], $26::integer[], $27::bigint[]
    ) AS h (item_id, epoch, version, event_id, event_type, causation_id, actor, changed, item, occurred_at,
            topic, partition, "offset")
), past AS (
    INSERT INTO read.item_history_floors AS f (projection, topic, partition, first_offset)
    SELECT $1, h.topic, h.partition, max(h."offset") + 1
    FROM told h, read.item_history_kept k
    WHERE h.occurred_at < k.kept_from
    GROUP BY h.topic, h.partition
    ORDER BY h.topic, h.partition
    ON CONFLICT (projection, topic, partition)
    DO UPDATE SET first_offset = greatest(f.first_offset, EXCLUDED.first_offset)
), history AS (
    INSERT INTO read.item_history (projection, item_id, epoch, version, event_id, event_type, causation_id,
                                   actor, changed, item, occurred_at, topic, partition, "offset")
    SELECT $1, h.item_id, h.epoch, h.version, h.event_id, h.event_type, h.causation_id, h.actor,
           ARRAY(SELECT e.field FROM jsonb_array_elements_text(h.changed) WITH ORDINALITY AS e (field, place)
                 ORDER BY e.place),
           h.item, h.occurred_at, h.topic, h.partition, h."offset"
    FROM told h
    WHERE h.occurred_at >= (SELECT kept_from FROM read.item_history_kept)
    ON CONFLICT DO NOTHING
    RETURNING 1
), added AS MATERIALIZED (
    SELECT count(*) AS versions FROM history
), incoming AS (
    SELECT * FROM unnest(
        $2::uuid[], $3::text[], $4::text[], $5::text[], $6::jsonb[], $7::jsonb[], $8::text[], $9::jsonb[],
        $10::integer[], $11::bigint[], $12::timestamptz[], $13::timestamptz[], $14::boolean[]
    ) AS i (id, owner, name, description, tags, attributes, status, files,
            epoch, version, created_at, updated_at, deleted)
), old AS (
    -- A probe of the primary key for each, in the order of the ids, whatever the planner believes of the table. After the
    -- history, as in every transaction.
    SELECT t.*
    FROM (
        SELECT wanted.id FROM unnest($2::uuid[]) AS wanted (id)
        WHERE (SELECT versions FROM added) IS NOT NULL
        ORDER BY wanted.id
    ) AS wanted
    CROSS JOIN LATERAL (
        SELECT t.id, t.owner, t.tags, t.files, t.epoch, t.version, t.deleted
        FROM read.items t
        WHERE t.projection = $1 AND t.id = wanted.id
        FOR UPDATE
    ) AS t
), stored AS (
    INSERT INTO read.items AS t (projection, id, owner, name, description, tags, attributes, status, files,
                                 epoch, version, created_at, updated_at, deleted)
    SELECT $1, i.id, i.owner, i.name, i.description,
           ARRAY(SELECT e.tag FROM jsonb_array_elements_text(i.tags) WITH ORDINALITY AS e (tag, place)
                 ORDER BY e.place),
           i.attributes, i.status, i.files, i.epoch, i.version, i.created_at, i.updated_at, i.deleted
    -- Reading "old" here, and sorting, locks and reads all that is there before anything is replaced: a row that this
    -- statement has replaced already would be skipped by FOR UPDATE.
    FROM incoming i LEFT JOIN old o ON o.id = i.id
    WHERE o.id IS NULL OR (o.epoch, o.version) < (i.epoch, i.version)
    ORDER BY i.id
    ON CONFLICT (projection, id) DO UPDATE SET
        owner = EXCLUDED.owner, name = EXCLUDED.name, description = EXCLUDED.description,
        tags = EXCLUDED.tags, attributes = EXCLUDED.attributes, status = EXCLUDED.status,
        files = EXCLUDED.files, epoch = EXCLUDED.epoch, version = EXCLUDED.version,
        created_at = EXCLUDED.created_at, updated_at = EXCLUDED.updated_at, deleted = EXCLUDED.deleted
    WHERE (t.epoch, t.version) < (EXCLUDED.epoch, EXCLUDED.version)
    RETURNING t.id, t.epoch, t.version
), active AS MATERIALIZED (
    SELECT projection = $1 AS serves FROM read.active_projection
), noted AS (
    INSERT INTO read.pending_cache AS p (projection, kind, id, epoch, version)
    SELECT $1, 'item', s.id, s.epoch, s.version FROM stored s WHERE (SELECT serves FROM active) ORDER BY s.id
    ON CONFLICT (projection, kind, id) DO UPDATE SET epoch = EXCLUDED.epoch, version = EXCLUDED.version
    WHERE (p.epoch, p.version) < (EXCLUDED.epoch, EXCLUDED.version)
)
SELECT a.versions AS "versions!", (SELECT serves FROM active) AS "serves!", g.generation AS "generation!", s.id AS "id?", o.owner AS "owner?", o.tags AS "tags?",
       o.deleted AS "deleted?", jsonb_array_length(o.files)::bigint AS "files?",
       (SELECT sum((f ->> 'size_bytes')::bigint)::bigint FROM jsonb_array_elements(o.files) f) AS "file_bytes?"
FROM added a CROSS JOIN read.cache_generation g LEFT JOIN stored s ON true LEFT JOIN old o ON o.id = s.id
