-- A later page: behind the last item of the page before.
SELECT projection, id, owner, name, description, tags, attributes, status, files, epoch, version, created_at, updated_at, deleted
FROM read.items
WHERE projection = (SELECT projection FROM read.active_projection) AND NOT deleted AND status = 'active'
  AND (created_at, id) < (:after_time::text::timestamptz, :after_id::text::uuid)
ORDER BY created_at DESC, id DESC
LIMIT 51;
