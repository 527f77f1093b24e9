use uuid::Uuid;

use super::{Actor, lock, recall};
use crate::{
    client::Answer,
    history::{Kind, Operation, Outcome},
};

/// Reads versions that were acknowledged, in every way that there is, and uploads of others.
pub(super) async fn read(mut actor: Actor) {
    while !actor.world.is_stopped() {
        let known = recall(&lock(&actor.world.items), &mut actor.rng);
        if let Some((item, version)) = known {
            match actor.chance(3) {
                true => actor.read_by_grpc(item, version).await,
                false => {
                    let held = held(&mut actor, version);
                    actor.read_item(item, version, held).await;
                }
            }
        }
        if actor.chance(4) {
            actor.read_what_is_forbidden().await;
        }
        actor.think().await;
    }
}

/// Some readers have a version already, the one before or the very one.
fn held(actor: &mut Actor, version: i64) -> Option<i64> {
    match actor.chance(2) {
        true => Some(version - i64::from(actor.chance(2))),
        false => None,
    }
}

impl Actor {
    /// At least the version that somebody was told of; whatever comes instead is in the history. `held` is the version
    /// that the reader has, and need not be sent again.
    pub(super) async fn read_item(&self, item: Uuid, version: i64, held: Option<i64>) {
        let mut operation = self.begin(Kind::Read);
        operation.item = Some(item);
        self.read(operation, &format!("/api/v1/items/{item}"), version, held)
            .await;
    }

    /// An own upload, at least in the version that a command answered.
    pub(super) async fn read_upload(&self, upload: Uuid, version: i64) {
        let mut operation = self.begin(Kind::Read);
        operation.upload = Some(upload);
        self.read(operation, &format!("/api/v1/uploads/{upload}"), version, None)
            .await;
    }

    async fn read(&self, mut operation: Operation, path: &str, version: i64, held: Option<i64>) {
        (operation.version, operation.attempts) = (Some(version), 1);
        let request = self.client.query(&format!("{path}?min_version={version}"));
        let wait = self.client.patience.wait_seconds;
        let mut request = request.header("Prefer", format!("wait={wait}"));
        if let Some(held) = held {
            request = request.header("If-None-Match", format!("\"{held}\""));
        }
        match self.world.history.attempt(&operation, request).await {
            // A deleted item answers 410 with its version; what the reader has is as new as its tag says.
            Ok(answer) if answer.status.is_success() || [304, 410].contains(&answer.status.as_u16()) => {
                operation.outcome = Outcome::Ok;
                operation.seen = seen(&answer);
            }
            Ok(answer) if answer.status.is_client_error() => {
                operation.outcome = Outcome::Failed {
                    status: answer.status.as_u16(),
                    problem: answer.text("type"),
                };
            }
            // Not there yet, or not to be reached: nothing was shown.
            Ok(_) | Err(_) => {}
        }
        self.world.history.record(operation);
    }

    /// An upload of somebody else, which its owner may have read a moment ago.
    async fn read_what_is_forbidden(&mut self) {
        let known = recall(&lock(&self.world.uploads), &mut self.rng);
        if let Some((upload, owner)) = known
            && owner != self.client.subject
        {
            self.read_of_another(upload).await;
        }
    }

    pub(super) async fn read_of_another(&self, upload: Uuid) {
        let mut operation = self.begin(Kind::ForbiddenRead);
        operation.upload = Some(upload);
        let request = || self.client.query(&format!("/api/v1/uploads/{upload}"));
        self.world.history.carry_out(&mut operation, 1, request).await;
        if operation.outcome != Outcome::Unknown {
            self.world.history.record(operation);
        }
    }
}

fn seen(answer: &Answer) -> Option<i64> {
    answer.version().or_else(|| answer.json()["version"].as_i64())
}
