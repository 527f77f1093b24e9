use aws_lc_rs::digest;
use depot_test_stack::small_png;
use rand::RngExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Actor, PATIENT, new_key};
use crate::history::Kind;

/// Contents that many uploads share; as many pictures.
const SHARED: u32 = 5;
/// Contents that are sent in parts: few, since each takes its room in the store once.
const LARGE: u32 = 2;
/// More than one part, and little more than the smallest that a store takes.
const LARGE_BYTES: usize = 6 * 1024 * 1024;

/// What the client means to do with an upload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plan {
    Complete,
    /// Through the API, which completes it too.
    Through,
    Abort,
    /// Given up right after it was completed: it is aborted, or refuses since it is stored.
    CompleteAndAbort,
    /// Announced, and then forgotten.
    Leave,
    /// Completed, and its item deleted afterwards.
    Delete,
}

pub(super) async fn upload_files(mut actor: Actor) {
    while !actor.world.is_stopped() {
        let Some((item, _)) = actor.create().await else {
            continue;
        };
        for _ in 0..actor.rng.random_range(1..4) {
            let plan = match actor.rng.random_range(0..12) {
                0 => Plan::Abort,
                1 => Plan::CompleteAndAbort,
                2 => Plan::Leave,
                3 | 4 => Plan::Delete,
                5 | 6 => Plan::Through,
                _ => Plan::Complete,
            };
            actor.upload(item, plan).await;
            actor.think().await;
            if plan == Plan::Delete {
                actor.delete(item, None, None).await;
                break;
            }
        }
    }
}

impl Actor {
    async fn upload(&mut self, item: Uuid, plan: Plan) {
        let content = match plan {
            Plan::Complete if self.chance(12) => self.large_content(),
            _ => self.content(),
        };
        let attempts = self.attempts();
        let Some((upload, announced)) = self.announce(item, new_key(), &content, attempts).await else {
            return;
        };
        let is_completed = match plan {
            Plan::Leave => return,
            Plan::Through => self.send_through(item, upload, content).await,
            Plan::Abort => {
                self.send(upload, &announced, &content).await;
                None
            }
            _ if announced["method"] == "multipart" => {
                match self.send_parts(upload, &announced, &content).await {
                    true => self.complete(item, upload).await,
                    false => None,
                }
            }
            _ => match self.send(upload, &announced, &content).await {
                true => self.complete(item, upload).await,
                false => None,
            },
        };
        if [Plan::Abort, Plan::CompleteAndAbort].contains(&plan) {
            self.abort(item, upload, None).await;
        }
        // Whatever comes of it: it is in the caches now, where somebody without the right may ask for it.
        if let Some(version) = is_completed {
            self.read_upload(upload, version).await;
        }
    }

    fn content(&mut self) -> Vec<u8> {
        if self.chance(5) {
            return self.picture();
        }
        let length = self.rng.random_range(100..20_000);
        match self.chance(3) {
            true => {
                let which = self.rng.random_range(0..SHARED);
                filled(&format!("shared by many {which}"), 5_000)
            }
            false => filled(&format!("of this upload only {}", Uuid::new_v4()), length),
        }
    }

    /// With a thumbnail of its own, or one that many share.
    pub(super) fn picture(&mut self) -> Vec<u8> {
        match self.chance(3) {
            true => small_png(self.rng.random_range(0..SHARED)),
            false => small_png(self.rng.random_range(SHARED..1 << 24)),
        }
    }

    pub(super) fn large_content(&mut self) -> Vec<u8> {
        let which = self.rng.random_range(0..LARGE);
        filled(&format!("sent in parts {which}"), LARGE_BYTES)
    }

    /// Answers the upload, and how its bytes are to be sent.
    pub(super) async fn announce(
        &self,
        item: Uuid,
        marker: String,
        content: &[u8],
        attempts: u32,
    ) -> Option<(Uuid, Value)> {
        let key = new_key();
        let body = json!({
            "item_id": item, "file_name": marker, "content_type": content_type(content),
            "size_bytes": content.len(), "sha256": sha256_hex(content),
        });
        let request = || {
            let request = self.client.command(Method::POST, "/api/v1/uploads");
            request.header("Idempotency-Key", &key).json(&body)
        };
        let history = &self.world.history;
        let mut operation = self.begin(Kind::Announce);
        operation.item = Some(item);
        (operation.marker, operation.key) = (Some(marker), Some(key.clone()));
        let answer = history.carry_out(&mut operation, attempts, request).await;
        let answer = answer.map(|answer| answer.json());
        operation.upload = answer
            .as_ref()
            .and_then(|answer| answer["id"].as_str()?.parse().ok());
        let upload = operation.upload;
        history.record(operation);
        let upload = upload?;
        self.world.remember_upload(upload, &self.client.subject);
        Some((upload, answer?))
    }

    /// Without a key, since it may be repeated as it is; answers the version.
    pub(super) async fn complete(&self, item: Uuid, upload: Uuid) -> Option<i64> {
        let mut operation = self.begin(Kind::Complete);
        (operation.item, operation.upload) = (Some(item), Some(upload));
        let path = format!("/api/v1/uploads/{upload}/complete");
        let request = || self.client.command(Method::POST, &path);
        let history = &self.world.history;
        history.carry_out(&mut operation, PATIENT, request).await;
        let version = operation.version.filter(|_| operation.is_ok());
        history.record(operation);
        version
    }

    /// It may be repeated as it is, with a key or without.
    pub(super) async fn abort(&self, item: Uuid, upload: Uuid, key: Option<String>) {
        let mut operation = self.begin(Kind::Abort);
        (operation.item, operation.upload, operation.key) = (Some(item), Some(upload), key.clone());
        let request = || {
            let request = self
                .client
                .command(Method::DELETE, &format!("/api/v1/uploads/{upload}"));
            match &key {
                Some(key) => request.header("Idempotency-Key", key),
                None => request,
            }
        };
        let history = &self.world.history;
        history.carry_out(&mut operation, PATIENT, request).await;
        history.record(operation);
    }
}

/// That text over and over.
pub(super) fn filled(text: &str, length: usize) -> Vec<u8> {
    text.bytes().cycle().take(length).collect()
}

/// As it is announced, and as a service finds it by the first bytes.
pub(super) fn content_type(content: &[u8]) -> &'static str {
    match content.starts_with(b"\x89PNG") {
        true => "image/png",
        false => "application/octet-stream",
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
