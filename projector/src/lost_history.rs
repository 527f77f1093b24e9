//! What the history has of changes that are none any more, since the database was set back to a moment before them.
//!
//! They are told by events of an earlier epoch, and nothing in them says that they are over. What says so is a row of a later
//! epoch: a change in the same version or an earlier one, or a snapshot in an earlier one. A snapshot in the same version leaves
//! that version as it is, since it is the state that the database was set back to; but for one that is deleted in its version 1,
//! which is of an item that did not exist by then.

use depot_domain::VersionToken;
use depot_schemas::ItemData;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projections::Occurrence;

/// Takes the rows of lost changes out of the history of those items of which a snapshot in a later epoch has come. What the log
/// has of these changes lies before it.
///
/// The only statement that takes rows of the history after those of the items. Nobody waits for a row of the history while he
/// has one of the statistics, which are all that is locked after it.
pub(crate) async fn forget(
    transaction: &mut PgConnection,
    projection: i32,
    occurrences: &[Occurrence<'_, ItemData>],
) -> Result<(), sqlx::Error> {
    let mut items: Vec<Uuid> = occurrences.iter().filter_map(left_behind).collect();
    if items.is_empty() {
        return Ok(());
    }
    items.sort_unstable();
    items.dedup();
    let forgotten = sqlx::query!(
        "DELETE FROM read.item_history h USING unnest($2::uuid[]) AS s (item_id)
         WHERE h.projection = $1 AND h.item_id = s.item_id
           AND EXISTS (
               SELECT FROM read.item_history n
               WHERE n.projection = $1 AND n.item_id = h.item_id AND n.epoch > h.epoch
                 AND (n.version < h.version
                      OR n.version = h.version
                         AND (n.event_type <> 'depot.item.snapshot.v1'
                              OR n.version = 1 AND (n.item ->> 'deleted')::boolean)))",
        projection,
        &items
    )
    .execute(transaction)
    .await?;
    if forgotten.rows_affected() > 0 {
        tracing::info!(
            rows = forgotten.rows_affected(),
            "took changes out of the history that the database was set back before"
        );
    }
    Ok(())
}

/// The item of a snapshot by which a history may be left behind.
fn left_behind(occurrence: &Occurrence<'_, ItemData>) -> Option<Uuid> {
    let envelope = &occurrence.event.envelope;
    let VersionToken { epoch, .. } = envelope.version;
    (envelope.event_type.is_snapshot() && epoch > 0).then_some(envelope.subject)
}
