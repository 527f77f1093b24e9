-- Stores the rows that are newer than what is there. Answers for each of these what was there before: nulls where
-- nothing was. $1: the version of the views; $2 to $14: the columns of the rows, one row for each id.
WITH incoming AS (
    SELECT * FROM unnest(
        $2::uuid[], $3::text[], $4::text[], $5::text[], $6::jsonb[], $7::jsonb[], $8::text[], $9::jsonb[],
        $10::integer[], $11::bigint[], $12::timestamptz[], $13::timestamptz[], $14::boolean[]
    ) AS i (id, owner, name, description, tags, attributes, status, files,
            epoch, version, created_at, updated_at, deleted)
), old AS (
    -- A probe of the primary key for each, in the order of the ids, whatever the planner believes of the table.
    SELECT t.*
    FROM (SELECT wanted.id FROM unnest($2::uuid[]) AS wanted (id) ORDER BY wanted.id) AS wanted
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
    RETURNING t.id
)
SELECT s.id AS "id!", o.owner AS "owner?", o.tags AS "tags?", o.deleted AS "deleted?",
       jsonb_array_length(o.files)::bigint AS "files?",
       (SELECT sum((f ->> 'size_bytes')::bigint)::bigint FROM jsonb_array_elements(o.files) f) AS "file_bytes?"
FROM stored s LEFT JOIN old o ON o.id = s.id
