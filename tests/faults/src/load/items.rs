use rand::RngExt as _;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use uuid::Uuid;

use super::{Actor, new_key};
use crate::{
    client::Client,
    history::{Kind, Outcome},
};

/// Creates, changes and sometimes deletes items, one after the other, and changes those of whoever has the same subject
/// at the same time; some commands are sent again though they were answered.
pub(super) async fn change_items(mut actor: Actor) {
    while !actor.world.is_stopped() {
        let Some((item, version)) = actor.create().await else {
            continue;
        };
        let mut known = Some(version);
        for _ in 0..actor.rng.random_range(1..6) {
            if actor.chance(3) {
                actor.change_what_is_shared().await;
            } else {
                let conditional = !actor.chance(3);
                let patch = actor.new_patch(known.filter(|_| conditional));
                // Refused, or unknown: whoever read the item now would have another version than this one.
                known = actor.patch(item, &patch).await;
            }
            actor.think().await;
        }
        if actor.chance(4) {
            let known = known.filter(|_| actor.chance(2));
            actor.delete(item, known, None).await;
        }
    }
}

/// A change of an item's description.
pub(super) struct Patch {
    pub(super) key: Option<String>,
    pub(super) marker: String,
    pub(super) known: Option<i64>,
    pub(super) attempts: u32,
    /// Sent once more after its answer.
    pub(super) again: bool,
}

impl Patch {
    fn request(&self, client: &Client, item: Uuid) -> RequestBuilder {
        let request = client.command(Method::PATCH, &format!("/api/v1/items/{item}"));
        let request = with(request, self.key.as_deref(), self.known);
        request
            .header("Content-Type", "application/merge-patch+json")
            .body(json!({"description": self.marker}).to_string())
    }
}

/// With a key if there is one, for the version that is known or for whatever there is.
fn with(request: RequestBuilder, key: Option<&str>, known: Option<i64>) -> RequestBuilder {
    let condition = known.map_or("*".to_owned(), |version| format!("\"{version}\""));
    let request = request.header("If-Match", condition);
    match key {
        Some(key) => request.header("Idempotency-Key", key),
        None => request,
    }
}

impl Actor {
    /// Creates an item; answers its id and version if it was acknowledged.
    pub(super) async fn create(&mut self) -> Option<(Uuid, i64)> {
        let (attempts, again) = (self.attempts(), self.chance(8));
        self.create_as(new_key(), new_key(), attempts, again).await
    }

    pub(super) async fn create_as(
        &self,
        key: String,
        marker: String,
        attempts: u32,
        again: bool,
    ) -> Option<(Uuid, i64)> {
        let body = json!({"name": "of a campaign", "description": marker, "tags": [self.client.subject]});
        let request = || {
            let request = self.client.command(Method::POST, "/api/v1/items");
            request.header("Idempotency-Key", &key).json(&body)
        };
        let history = &self.world.history;
        let mut operation = self.begin(Kind::Create);
        (operation.marker, operation.key) = (Some(marker), Some(key.clone()));
        let answer = history.carry_out(&mut operation, attempts, request).await;
        operation.item = answer.and_then(|answer| answer.text("id").parse().ok());
        if operation.is_ok() && again {
            history.ask_again(&mut operation, request).await;
        }
        let (item, version) = (operation.item, operation.version);
        history.record(operation);
        let (item, version) = (item?, version?);
        self.world.remember_item(&self.client.subject, item, version);
        Some((item, version))
    }

    pub(super) fn new_patch(&mut self, known: Option<i64>) -> Patch {
        // Without a key nothing says that a repeat is one, so it is sent once.
        let key = (!self.chance(5)).then(new_key);
        let attempts = if key.is_some() { self.attempts() } else { 1 };
        Patch {
            again: key.is_some() && self.chance(8),
            key,
            marker: new_key(),
            known,
            attempts,
        }
    }

    /// Answers the new version, if it was acknowledged.
    pub(super) async fn patch(&self, item: Uuid, patch: &Patch) -> Option<i64> {
        let request = || patch.request(&self.client, item);
        let history = &self.world.history;
        let mut operation = self.begin(Kind::Update);
        (operation.item, operation.known) = (Some(item), patch.known);
        (operation.marker, operation.key) = (Some(patch.marker.clone()), patch.key.clone());
        history.carry_out(&mut operation, patch.attempts, request).await;
        // A refusal that was decided is kept under the key as well.
        let is_answered = operation.outcome != Outcome::Unknown;
        if is_answered && patch.again {
            history.ask_again(&mut operation, request).await;
        }
        let version = operation.version.filter(|_| operation.is_ok());
        history.record(operation);
        let version = version?;
        self.world.remember_item(&self.client.subject, item, version);
        Some(version)
    }

    /// An item that somebody else may be changing right now; sometimes two changes at once that go by the same version.
    async fn change_what_is_shared(&mut self) {
        let Some((item, version)) = self.world.recall_own(&self.client.subject, &mut self.rng) else {
            return;
        };
        let (one, other) = (self.new_patch(Some(version)), self.new_patch(Some(version)));
        match self.chance(2) {
            true => _ = tokio::join!(self.patch(item, &one), self.patch(item, &other)),
            false => _ = self.patch(item, &one).await,
        }
    }

    pub(super) async fn delete(&mut self, item: Uuid, known: Option<i64>, key: Option<String>) {
        let key = key.or_else(|| (!self.chance(5)).then(new_key));
        let attempts = if key.is_some() { self.attempts() } else { 1 };
        let request = || {
            let path = format!("/api/v1/items/{item}");
            with(self.client.command(Method::DELETE, &path), key.as_deref(), known)
        };
        let history = &self.world.history;
        let mut operation = self.begin(Kind::Delete);
        (operation.item, operation.known, operation.key) = (Some(item), known, key.clone());
        history.carry_out(&mut operation, attempts, request).await;
        history.record(operation);
    }
}
