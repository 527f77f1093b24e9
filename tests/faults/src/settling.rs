//! What comes between the last of the load and the check: everything that is under way ends, and one sweep runs.

use std::time::Duration;

use anyhow::Result;
use sqlx::PgPool;
use tokio::time::Instant;

use crate::{check::Evidence, client::Client, history::Kind, load::World, site::Site};

/// The tool's code for findings that no sweep can mend: they are the check's to tell.
const SWEPT_AND_LEFT: Option<i32> = Some(1);

const UNDER_WAY: &str = "SELECT
    (SELECT count(*) FROM command.outbox o JOIN command.outbox_shards s USING (shard)
     WHERE NOT pg_visible_in_snapshot(o.xid::text::xid8, s.position))
  + (SELECT count(*) FROM uploader.outbox o JOIN uploader.outbox_shards s USING (shard)
     WHERE NOT pg_visible_in_snapshot(o.xid::text::xid8, s.position))
  + (SELECT count(*) FROM command.uploads WHERE status IN ('pending', 'received'))
  + (SELECT count(*) FROM command.sagas WHERE state NOT IN ('completed', 'compensated'))
  + (SELECT count(*) FROM uploader.parked_keys)
  + (SELECT count(*) FROM read.pending_cache)";

/// Until nothing is under way any more, or patience ends: what is left then is found by the check. Answers why it cannot be
/// seen, where it cannot.
pub async fn wait_until_quiet(site: &Site, patience: Duration) -> Result<Option<String>> {
    let pool = PgPool::connect(&site.direct_postgres()).await?;
    let begun = Instant::now();
    let (mut calm, mut unseen) = (0, None);
    while calm < 3 && begun.elapsed() < patience {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let looked = is_quiet(site, &pool).await;
        calm = if matches!(looked, Ok(true)) { calm + 1 } else { 0 };
        unseen = looked.err();
    }
    println!("quiet after {:.1} s", begun.elapsed().as_secs_f64());
    if calm < 3 {
        println!("not everything has ended: what is left is told below");
    }
    Ok(unseen.map(|error| format!("whether all is quiet cannot be seen: {error:#}")))
}

/// What came late, or was left by a kill, is the sweep's; one has to be enough, once URLs have expired. Answers what went
/// wrong with it.
pub async fn sweep_once(site: &Site, url_ttl: Duration) -> Option<String> {
    tokio::time::sleep(url_ttl + Duration::from_secs(5)).await;
    match site.tool(&["sweep", "--grace", "0"], SWEPT_AND_LEFT).await {
        Ok(report) => {
            println!("sweep: {}", report.lines().last().unwrap_or_default());
            None
        }
        Err(error) => Some(format!("the sweep: {error:#}")),
    }
}

/// Entries live for seconds: items are read right before the cache is looked at.
pub async fn fill_the_cache(world: &World, client: &Client) {
    let operations = world.history.told().operations;
    let items = operations
        .iter()
        .rev()
        .filter(|o| o.is_ok() && o.kind == Kind::Create)
        .filter_map(|o| o.item);
    for item in items.take(50) {
        // Where none of them is answered, no entry is read, and the check says that.
        drop(Client::send(client.query(&format!("/api/v1/items/{item}"))).await);
    }
}

async fn is_quiet(site: &Site, pool: &PgPool) -> Result<bool> {
    let under_way: i64 = sqlx::query_scalar(UNDER_WAY).fetch_one(pool).await?;
    Ok(under_way == 0 && Evidence::nobody_is_behind(site, pool).await?)
}
