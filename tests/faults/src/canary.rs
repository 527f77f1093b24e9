//! One small command, and how long until it can be read: what a user notices of a fault.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::{
    client::Client,
    history::{Kind, Outcome},
    load::World,
};

const PATIENCE: Duration = Duration::from_secs(180);

/// Creates an item and reads it through every layer. How long that took; none if it did not come within three minutes.
pub async fn fly(world: &World, client: &Client) -> Option<Duration> {
    let begun = Instant::now();
    let (key, marker) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let body = json!({"name": "canary", "description": marker});
    let history = &world.history;
    let mut operation = history.begin(Kind::Canary, &client.subject);
    (operation.marker, operation.key) = (Some(marker), Some(key.clone()));
    while operation.outcome == Outcome::Unknown && begun.elapsed() < PATIENCE {
        let request = || {
            let request = client.command(Method::POST, "/api/v1/items");
            request.header("Idempotency-Key", &key).json(&body)
        };
        let answer = history.carry_out(&mut operation, 5, request).await;
        operation.item = answer.and_then(|answer| answer.text("id").parse().ok());
    }
    let (item, version) = (operation.item, operation.version);
    history.record(operation);
    let (item, version) = (item?, version?);
    let path = format!("/api/v1/items/{item}?min_version={version}");
    while begun.elapsed() < PATIENCE {
        let answer = Client::send(client.query(&path).header("Prefer", "wait=2")).await;
        if answer.is_ok_and(|answer| answer.status.is_success()) {
            return Some(begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}
