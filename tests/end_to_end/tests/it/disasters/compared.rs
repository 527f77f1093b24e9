//! The views against the state, field by field, in one statement each.

use sqlx::PgPool;

/// Rows of the views that are not what the state is, or that it does not have; a row of the views alone is none if it says that
/// it is gone.
pub async fn differences(database: &PgPool) -> Vec<String> {
    let items = "SELECT 'item ' || coalesce(s.id, v.id) || ': ' || coalesce(s.fields::text, 'none') || ' and '
                        || coalesce(v.fields::text, 'none')
         FROM (SELECT id, deleted, to_jsonb(ARRAY[owner, name, description, status, tags::text, attributes::text,
                                                  files::text, version::text, deleted::text,
                                                  extract(epoch FROM created_at)::text, extract(epoch FROM updated_at)::text,
                                                  (SELECT epoch FROM command.restore_epoch)::text]) AS fields
               FROM command.items) s
         FULL JOIN (SELECT id, deleted, to_jsonb(ARRAY[owner, name, description, status, tags::text, attributes::text,
                                                       files::text, version::text, deleted::text,
                                                       extract(epoch FROM created_at)::text,
                                                       extract(epoch FROM updated_at)::text, epoch::text]) AS fields
                    FROM read.items WHERE projection = 1) v ON v.id = s.id
         WHERE CASE WHEN s.id IS NULL THEN NOT v.deleted ELSE v.fields IS DISTINCT FROM s.fields END";
    let uploads = "SELECT 'upload ' || coalesce(s.id, v.id) || ': ' || coalesce(s.fields::text, 'none') || ' and '
                          || coalesce(v.fields::text, 'none')
         FROM (SELECT id, to_jsonb(ARRAY[item_id::text, owner, file_name, content_type, size_bytes::text, sha256, status,
                                         reason, object_key, version::text, thumbnail::text,
                                         (SELECT epoch FROM command.restore_epoch)::text]) AS fields
               FROM command.uploads) s
         FULL JOIN (SELECT id, status, to_jsonb(ARRAY[item_id::text, owner, file_name, content_type, size_bytes::text,
                                                      sha256, status, reason, object_key, version::text, thumbnail::text,
                                                      epoch::text]) AS fields
                    FROM read.uploads WHERE projection = 1) v ON v.id = s.id
         WHERE CASE WHEN s.id IS NULL THEN v.status <> 'aborted' ELSE v.fields IS DISTINCT FROM s.fields END";
    let mut found = Vec::new();
    for statement in [items, uploads] {
        let rows: Vec<String> = sqlx::query_scalar(statement).fetch_all(database).await.unwrap();
        found.extend(rows);
    }
    found
}

/// Where the statistics differ from a recount of the state; empty when they are right.
pub async fn miscounted(database: &PgPool) -> Vec<String> {
    let statement = "WITH tags_now AS (
             SELECT tag, items FROM read.tag_statistics WHERE projection = 1 AND items <> 0
         ), tags_recount AS (
             SELECT tag, count(DISTINCT id) FROM command.items, unnest(tags) tag WHERE NOT deleted GROUP BY tag
         ), owners_now AS (
             SELECT owner, items::numeric, files::numeric, file_bytes::numeric FROM read.owner_statistics
             WHERE projection = 1 AND (items, files, file_bytes) <> (0, 0, 0)
         ), owners_recount AS (
             SELECT owner, count(*)::numeric, sum(jsonb_array_length(files))::numeric,
                    sum((SELECT coalesce(sum((f ->> 'size_bytes')::bigint), 0) FROM jsonb_array_elements(files) f))::numeric
             FROM command.items WHERE NOT deleted GROUP BY owner
         )
         SELECT 'stored ' || x::text FROM (SELECT * FROM tags_now EXCEPT SELECT * FROM tags_recount) x
         UNION ALL SELECT 'counted ' || x::text FROM (SELECT * FROM tags_recount EXCEPT SELECT * FROM tags_now) x
         UNION ALL SELECT 'stored ' || x::text FROM (SELECT * FROM owners_now EXCEPT SELECT * FROM owners_recount) x
         UNION ALL SELECT 'counted ' || x::text
                   FROM (SELECT * FROM owners_recount EXCEPT SELECT * FROM owners_now) x";
    sqlx::query_scalar(statement).fetch_all(database).await.unwrap()
}

/// Rows of the history that tell what never was: of an epoch that is over, and in a version that the state did not have when the
/// database was set back.
pub async fn lost_history(database: &PgPool, restored: &[(uuid::Uuid, i64)]) -> Vec<String> {
    let (ids, versions): (Vec<uuid::Uuid>, Vec<i64>) = restored.iter().copied().unzip();
    let statement =
        "SELECT 'history of ' || h.item_id || ': ' || h.epoch || '.' || h.version || ' ' || h.event_type
         FROM read.item_history h
         LEFT JOIN unnest($1::uuid[], $2::bigint[]) AS was (id, version) ON was.id = h.item_id
         WHERE h.projection = 1 AND h.epoch < (SELECT epoch FROM command.restore_epoch)
           AND h.version > coalesce(was.version, 0)";
    sqlx::query_scalar(statement)
        .bind(ids)
        .bind(versions)
        .fetch_all(database)
        .await
        .unwrap()
}
