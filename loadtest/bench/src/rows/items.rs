use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use depot_end_to_end::Client;
use depot_service::auth::Role;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use uuid::Uuid;

use crate::{installation::Installation, load::CreateItems};

const ATTEMPTS: usize = 30;

/// Creates an item of the load's size, and waits until the views have it; its id.
pub async fn visible_item(installation: &Installation) -> Result<String> {
    let items = visible_items(installation, 1).await?;
    items.into_iter().next().context("one was asked for")
}

/// So many of them.
pub async fn visible_items(installation: &Installation, items: u64) -> Result<Vec<String>> {
    let client = installation.depot.client("bench", Role::Writer);
    let created = stream::iter(0..items).map(|number| create(&client, number));
    let ids = created.buffer_unordered(8).try_collect().await?;
    installation.settle().await?;
    Ok(ids)
}

/// A busy server asks the client to come again, under the same key.
async fn create(client: &Client, number: u64) -> Result<String> {
    let body: Value = serde_json::from_str(&CreateItems::body(1_000_000 + number))?;
    let key = Uuid::now_v7().to_string();
    let mut created = client.create_item(&key, &body).await?;
    for _ in 0..ATTEMPTS {
        if created.status.as_u16() != 503 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        created = client.create_item(&key, &body).await?;
    }
    ensure!(created.status.as_u16() == 201, "create: {created:?}");
    Ok(created.text("id"))
}

/// So many rows of the view of items, like the load's, half of them active.
pub async fn fill_view(installation: &Installation, items: i64) -> Result<()> {
    let pool = &installation.depot.database;
    let insert = "INSERT INTO read.items (projection, id, owner, name, description, tags, attributes, status, files, epoch, \
                                          version, created_at, updated_at, deleted)
                  SELECT 1, lpad(to_hex(n), 32, '0')::uuid, 'owner-' || n % 100, 'Bench item ' || n,
                         'Made under load, to be found by its words.', ARRAY['bench', 'tag-' || n % 20],
                         jsonb_build_object('n', n, 'colour', 'red'), CASE n % 2 WHEN 0 THEN 'active' ELSE 'draft' END,
                         '[]', 0, 1, t, t, false
                  FROM generate_series($1::bigint, $2::bigint) n, LATERAL (SELECT now() - n * interval '1 second') AS at (t)";
    for first in (1..=items).step_by(50_000) {
        let last = (first + 49_999).min(items);
        sqlx::query(insert).bind(first).bind(last).execute(pool).await?;
    }
    sqlx::query("VACUUM ANALYZE read.items").execute(pool).await?;
    Ok(())
}
