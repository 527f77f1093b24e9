//! The bytes of a file, whole: straight into the object store, or through the API.

use reqwest::{Method, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use super::{Actor, PATIENT, uploads::content_type};
use crate::{
    client::Client,
    history::{Kind, Outcome},
};

const SENDS: u32 = 20;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(70);

/// What became of a PUT into the store.
pub(super) enum Put {
    /// The bytes are there. A repeat that finds them there is told so.
    Done,
    /// The URL has expired.
    Late,
    Again,
}

impl Actor {
    /// True if the bytes are there.
    pub(super) async fn send(&self, upload: Uuid, announced: &Value, content: &[u8]) -> bool {
        let mut operation = self.begin(Kind::Send);
        operation.upload = Some(upload);
        for attempt in 1..=SENDS {
            operation.attempts = attempt;
            match self.put_once(announced, content).await {
                Put::Done => operation.outcome = Outcome::Ok,
                Put::Late => {
                    operation.outcome = Outcome::Failed {
                        status: 403,
                        problem: String::new(),
                    };
                }
                Put::Again => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            }
            break;
        }
        let is_sent = operation.is_ok();
        self.world.history.record(operation);
        is_sent
    }

    pub(super) async fn put_once(&self, signed: &Value, content: &[u8]) -> Put {
        let answer = Client::send(self.client.presigned(signed).body(content.to_vec())).await;
        match answer.map(|answer| answer.status) {
            Ok(status) if status.is_success() || status == StatusCode::PRECONDITION_FAILED => Put::Done,
            Ok(StatusCode::FORBIDDEN) => Put::Late,
            _ => Put::Again,
        }
    }

    /// Sends and completes in one; without a key, since it may be repeated as it is. Answers the version.
    pub(super) async fn send_through(&self, item: Uuid, upload: Uuid, content: Vec<u8>) -> Option<i64> {
        let mut operation = self.begin(Kind::SendThrough);
        (operation.item, operation.upload) = (Some(item), Some(upload));
        let path = format!("/api/v1/uploads/{upload}/content");
        let request = || {
            let request = self.client.command(Method::PUT, &path);
            request
                .header("Content-Type", content_type(&content))
                .body(content.clone())
        };
        let history = &self.world.history;
        history.carry_out(&mut operation, PATIENT, request).await;
        let version = operation.version.filter(|_| operation.is_ok());
        history.record(operation);
        version
    }
}
