use anyhow::{Context as _, Result, ensure};
use depot_service::auth::Role;
use serde_json::json;

use crate::installation::Installation;

/// Creates an item of the load's size, and waits until query-api shows it; its id.
pub async fn visible_item(installation: &Installation) -> Result<String> {
    let client = installation.depot.client("bench", Role::Writer);
    let body = json!({
        "name": "Bench item 1000007", "description": "Made under load, to be found by its words.",
        "tags": ["bench", "tag-7"], "attributes": {"n": 1_000_007, "colour": "red"},
    });
    let created = client
        .create_item(&uuid::Uuid::now_v7().to_string(), &body)
        .await?;
    ensure!(created.status.as_u16() == 201, "create: {created:?}");
    let (id, version) = (created.text("id"), created.version().context("no version")?);
    let read = client
        .read_at_least(&format!("/api/v1/items/{id}"), &version)
        .await?;
    ensure!(read.status.is_success(), "read: {read:?}");
    Ok(id)
}
