//! Whether two versions of the views show the same, at the same place of the log.

use depot_service::database::Pool;
use std::collections::BTreeMap;

use depot_schemas::projections::{Comparison, MAX_LISTED, ProjectionState, ViewChecksum, ViewComparison};
use serde_json::json;
use sqlx::PgConnection;

use super::{
    ProjectionError,
    meeting::{Met, meet},
    registry::{lock, lock_pointer, note_change},
};

const VIEWS: [&str; 6] = [
    "items",
    "item_history",
    "uploads",
    "declared_aggregates",
    "tag_statistics",
    "owner_statistics",
];
/// Buckets that differ whose ids are looked at, of the 1,024 of a view: what differs everywhere is not read whole.
const BUCKETS: usize = 16;

/// Rows of one key, and the sum of their hashes.
type Sums<K> = BTreeMap<K, (i64, i128)>;

/// Compares a version of the views with the one that serves, and notes what came of it.
///
/// # Errors
/// [`ProjectionError`]: it is not fed, serves itself, or does not come to where the one that serves is.
pub async fn compare(pool: &Pool, projection: i32, actor: &str) -> Result<Comparison, ProjectionError> {
    check(pool, projection).await?;
    let mut met = meet(pool, projection).await?;
    let (serving, views) = compare_views(&mut met, projection)
        .await
        .map_err(ProjectionError::of("compare two versions of the views"))?;
    let comparison = Comparison {
        projection,
        serving,
        differences: views.iter().map(|view| view.differences).sum(),
        views,
    };
    note(pool, &comparison, actor)
        .await
        .map_err(ProjectionError::of("note what a comparison found"))?;
    Ok(comparison)
}

async fn check(pool: &Pool, projection: i32) -> Result<(), ProjectionError> {
    let error = || ProjectionError::of("look for a version of the views");
    let mut transaction = pool.begin().await.map_err(error())?;
    let serving = lock_pointer(&mut transaction).await.map_err(error())?;
    let listed = lock(&mut transaction, projection).await.map_err(error())?;
    let state = listed.ok_or(ProjectionError::Unknown(projection))?.state;
    if projection == serving || !state.is_fed() || state == ProjectionState::Serving {
        let text = format!(
            "projection {projection} is {state}: one that is fed is compared with the one that serves"
        );
        return Err(ProjectionError::NotSo(text));
    }
    Ok(())
}

async fn compare_views(met: &mut Met, projection: i32) -> Result<(i32, Vec<ViewComparison>), sqlx::Error> {
    // The later of the two: the history may have been shortened between. As text, since it may be infinitely long ago.
    let kept_from =
        sqlx::query_scalar!(r#"SELECT kept_from::text AS "kept_from!" FROM read.item_history_kept"#)
            .fetch_one(&mut *met.of_projection)
            .await?;
    let mut views = Vec::with_capacity(VIEWS.len());
    for view in VIEWS {
        let mut of_serving = Side {
            connection: &mut met.of_serving,
            projection: met.serving,
            view,
            kept_from: &kept_from,
        };
        let mut of_projection = Side {
            connection: &mut met.of_projection,
            projection,
            view,
            kept_from: &kept_from,
        };
        views.push(compare_view(&mut of_serving, &mut of_projection).await?);
    }
    Ok((met.serving, views))
}

async fn compare_view(
    of_serving: &mut Side<'_>,
    of_projection: &mut Side<'_>,
) -> Result<ViewComparison, sqlx::Error> {
    let (theirs, ours) = (of_serving.buckets().await?, of_projection.buckets().await?);
    let buckets = differing(&theirs, &ours);
    let looked_at = buckets.get(..BUCKETS).unwrap_or(&buckets);
    let mut ids = Vec::new();
    if !buckets.is_empty() {
        let (theirs, ours) = (
            of_serving.ids(looked_at).await?,
            of_projection.ids(looked_at).await?,
        );
        ids = differing(&theirs, &ours);
    }
    // At least one in each of the buckets that were not looked at.
    let differences = (ids.len() + buckets.len() - looked_at.len()) as i64;
    ids.truncate(MAX_LISTED);
    Ok(ViewComparison {
        view: of_serving.view.to_owned(),
        of_serving: checksum(&theirs),
        of_projection: checksum(&ours),
        differing: ids,
        differences,
    })
}

/// The keys that are in one only, or come to something else.
fn differing<K: Ord + Clone>(theirs: &Sums<K>, ours: &Sums<K>) -> Vec<K> {
    let mut keys: Vec<K> = theirs
        .iter()
        .filter(|(key, sum)| ours.get(key) != Some(sum))
        .map(|(key, _)| key.clone())
        .chain(ours.keys().filter(|key| !theirs.contains_key(key)).cloned())
        .collect();
    keys.sort();
    keys
}

fn checksum(buckets: &Sums<i32>) -> ViewChecksum {
    let sum = buckets
        .values()
        .fold(0_i128, |sum, (_, hashes)| sum.wrapping_add(*hashes));
    ViewChecksum {
        rows: buckets.values().map(|(rows, _)| rows).sum(),
        checksum: format!("{sum:032x}"),
    }
}

/// A view in one of the two.
struct Side<'a> {
    connection: &'a mut PgConnection,
    projection: i32,
    view: &'static str,
    kept_from: &'a str,
}

impl Side<'_> {
    async fn buckets(&mut self) -> Result<Sums<i32>, sqlx::Error> {
        let rows = self.sums(false, &[]).await?;
        Ok(rows.into_iter().map(|(bucket, _, sum)| (bucket, sum)).collect())
    }

    async fn ids(&mut self, buckets: &[i32]) -> Result<Sums<String>, sqlx::Error> {
        let rows = self.sums(true, buckets).await?;
        Ok(rows
            .into_iter()
            .filter_map(|(_, id, sum)| Some((id?, sum)))
            .collect())
    }

    async fn sums(
        &mut self,
        with_ids: bool,
        buckets: &[i32],
    ) -> Result<Vec<(i32, Option<String>, (i64, i128))>, sqlx::Error> {
        let rows = sqlx::query_file!(
            "src/rebuild/comparison.sql",
            self.projection,
            self.view,
            with_ids,
            buckets,
            self.kept_from
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let summed = rows.into_iter().map(|row| {
            let sum = row.sum.parse::<i128>();
            let sum = sum.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok((row.bucket, row.id, (row.rows, sum)))
        });
        summed.collect()
    }
}

async fn note(pool: &Pool, comparison: &Comparison, actor: &str) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query!(
        "UPDATE read.projections SET compared_at = clock_timestamp(), differences = $2 WHERE projection = $1",
        comparison.projection,
        comparison.differences
    )
    .execute(&mut *transaction)
    .await?;
    let detail = json!({ "serving": comparison.serving, "differences": comparison.differences });
    note_change(&mut transaction, actor, "compare", comparison.projection, detail).await?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_their_sums_or_by_being_in_one_only() {
        let theirs: Sums<i32> = [(1, (1, 5)), (2, (1, 6)), (3, (2, 7))].into();
        let ours: Sums<i32> = [(1, (1, 5)), (3, (1, 7)), (4, (1, 8))].into();
        assert_eq!(differing(&theirs, &ours), [2, 3, 4]);
        assert_eq!(differing(&ours, &theirs), [2, 3, 4]);
        assert!(differing(&ours, &ours).is_empty());
    }

    #[test]
    fn a_checksum_does_not_depend_on_the_order_and_does_on_each_row() {
        let of = |hashes: &[i128]| {
            let sums = hashes.iter().enumerate();
            checksum(&sums.map(|(bucket, hash)| (bucket as i32, (1, *hash))).collect())
        };
        assert_eq!(of(&[5, -7, 9]), of(&[9, 5, -7]));
        assert_ne!(of(&[5, -7, 9]), of(&[5, -7, 8]));
        assert_eq!(of(&[-1]).checksum.len(), 32);
    }
}
