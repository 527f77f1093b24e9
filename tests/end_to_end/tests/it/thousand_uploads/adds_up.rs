//! Afterwards: what was counted, what is attached and what lies there is the same.

use std::collections::{BTreeMap, BTreeSet};

use depot_end_to_end::{Depot, Service};

use super::{Fate, OWNERS, UPLOADS, fate};

/// Bytes and parts that arrived when their upload had ended, and copies that were begun before the outage.
pub(super) async fn swept_by_schedule(depot: &Depot) -> Vec<String> {
    let metrics = reqwest::get(depot.admin_url(Service::Uploader, "/metrics"))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    let lines = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("depot_uploader_swept_total"));
    lines.map(str::to_owned).collect()
}

pub(super) const BY_STATUS: &str = "SELECT status, count(*) FROM command.uploads GROUP BY 1";
pub(super) const BY_STATE: &str = "SELECT saga || ' ' || state, count(*) FROM command.sagas GROUP BY 1";

pub(super) async fn by(depot: &Depot, statement: &'static str) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(statement)
        .fetch_all(&depot.database)
        .await
        .unwrap();
    rows.into_iter().collect()
}

pub(super) async fn count(depot: &Depot, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement)
        .fetch_one(&depot.database)
        .await
        .unwrap()
}

/// By the files that items show, not by what the accounts were counted from.
pub(super) async fn quota_is_what_is_attached(depot: &Depot) {
    let accounts: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "SELECT owner, used_bytes, reserved_bytes,
                (SELECT coalesce(sum((file->>'size_bytes')::bigint), 0)::bigint
                 FROM command.items i, jsonb_array_elements(i.files) file WHERE i.owner = a.owner AND NOT i.deleted)
         FROM command.storage_accounts a ORDER BY owner",
    )
    .fetch_all(&depot.database)
    .await
    .unwrap();
    assert_eq!(accounts.len(), OWNERS.len());
    for (owner, used, reserved, attached) in accounts {
        println!("{owner}: used {used}, reserved {reserved}, attached {attached} bytes");
        assert_eq!((used, reserved), (attached, 0), "{owner}");
        assert!(attached > 0, "{owner}");
    }
}

pub(super) async fn outcomes_are_as_meant(depot: &Depot) {
    let mut fates = BTreeMap::new();
    for n in 0..UPLOADS {
        *fates.entry(fate(n)).or_insert(0_i64) += 1;
    }
    let outcomes = by(depot, BY_STATUS).await;
    let of = |status: &str| outcomes.get(status).copied().unwrap_or_default();
    // Of a deleted item's: aborted if the deletion came first, removed if they were stored, rejected if it came between.
    let by_deletion =
        "SELECT count(*) FROM command.uploads u JOIN command.items i ON i.id = u.item_id WHERE i.deleted";
    assert_eq!(count(depot, by_deletion).await, fates[&Fate::Deleted]);
    assert_eq!(of("stored"), fates[&Fate::Stored]);
    assert_eq!(of("expired"), fates[&Fate::Expired]);
    let rest = of("rejected") + of("aborted") + of("removed");
    assert_eq!(
        rest,
        fates[&Fate::Rejected] + fates[&Fate::Aborted] + fates[&Fate::Deleted]
    );
    assert!(of("removed") > 0, "some were attached before they went");
    assert!(of("rejected") >= fates[&Fate::Rejected] && of("aborted") >= fates[&Fate::Aborted]);
}

pub(super) async fn buckets_hold_what_is_referred_to(depot: &Depot) {
    let referred: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT object_key FROM command.uploads WHERE status = 'stored' AND object_key IS NOT NULL",
    )
    .fetch_all(&depot.database)
    .await
    .unwrap();
    let lying = depot.backing.keys(&depot.backing.files).await.unwrap();
    println!(
        "objects in the bucket of files: {}, referred to: {}",
        lying.len(),
        referred.len()
    );
    assert_eq!(lying, referred.into_iter().collect());
    assert_eq!(
        depot.backing.keys(&depot.backing.staging).await.unwrap(),
        BTreeSet::new()
    );
    let open = depot
        .backing
        .store
        .open_multiparts(&depot.backing.staging, None)
        .await
        .unwrap();
    assert_eq!(open.open, []);
}
