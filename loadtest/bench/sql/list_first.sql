-- The first page of 50 items of a status, the newest first: what query-api asks, without what it leaves open.
SELECT projection, id, owner, name, description, tags, attributes, status, files, epoch, version, created_at, updated_at, deleted
FROM read.items
WHERE projection = (SELECT projection FROM read.active_projection) AND NOT deleted AND status = 'active'
ORDER BY created_at DESC, id DESC
LIMIT 51;
