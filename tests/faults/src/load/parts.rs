//! The bytes of a file in parts, each under a URL of its own.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Actor, sending::Put};
use crate::{
    client::Client,
    history::{Kind, Outcome},
};

const TRIES: u32 = 20;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(70);

impl Actor {
    /// True if all of them are there.
    pub(super) async fn send_parts(&self, upload: Uuid, announced: &Value, content: &[u8]) -> bool {
        let mut operation = self.begin(Kind::SendParts);
        operation.upload = Some(upload);
        let count = announced["part_count"].as_u64().unwrap_or_default();
        let mut sent = 0;
        while sent < count && operation.attempts < TRIES {
            operation.attempts += 1;
            match self.send_part(announced, sent + 1, content).await {
                Put::Done => sent += 1,
                Put::Late => break,
                Put::Again => tokio::time::sleep(PAUSE).await,
            }
        }
        if count > 0 && sent == count {
            operation.outcome = Outcome::Ok;
        }
        let is_sent = operation.is_ok();
        self.world.history.record(operation);
        is_sent
    }

    async fn send_part(&self, announced: &Value, number: u64, content: &[u8]) -> Put {
        let path = announced["parts_url"].as_str().unwrap_or_default();
        let wanted = json!({"first": number, "count": 1});
        let signed = Client::send(self.client.command(Method::POST, path).json(&wanted)).await;
        let signed = match signed {
            Ok(answer) if answer.status.is_success() => answer.json()["parts"][0].take(),
            // Its time is over, or somebody ended it.
            Ok(answer) if answer.is_final() => return Put::Late,
            _ => return Put::Again,
        };
        let at = |name: &str| signed[name].as_u64().unwrap_or_default() as usize;
        let (start, size) = (at("offset_bytes"), at("size_bytes"));
        match content.get(start..start + size) {
            Some(part) => self.put_once(&signed, part).await,
            None => Put::Late,
        }
    }
}
