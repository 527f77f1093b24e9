use std::error::Error as _;

use depot_proto::v1::{AtLeast, GetItemRequest, Item};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::Actor;
use crate::history::{Attempt, Kind, Outcome};

/// As HTTP says it, so that the history reads alike.
const NOT_FOUND: u16 = 404;

impl Actor {
    /// The same question as by REST, in the other protocol.
    pub(super) async fn read_by_grpc(&self, item: Uuid, version: i64) {
        let mut operation = self.begin(Kind::ReadByGrpc);
        (operation.item, operation.version, operation.attempts) = (Some(item), Some(version), 1);
        let message = GetItemRequest {
            id: item.to_string(),
            at_least: Some(AtLeast {
                min_version: version.to_string(),
                wait: self.client.patience.wait().try_into().ok(),
            }),
        };
        let mut attempt = Attempt::of(&operation, self.world.history.now_ms());
        let answer = self.get_item(message).await;
        match &answer {
            Err(status) if status.code() != Code::NotFound => attempt.error = Some(status.to_string()),
            _ => attempt.is_final = true,
        }
        self.world.history.record_attempt(attempt);
        match answer {
            Ok(found) => {
                operation.outcome = Outcome::Ok;
                // One that cannot be read is none, which the check takes for older than any.
                operation.seen = found.into_inner().version.parse().ok();
            }
            Err(status) if status.code() == Code::NotFound => match deleted_at(&status) {
                Some(version) => {
                    operation.outcome = Outcome::Ok;
                    operation.seen = Some(version);
                }
                None => {
                    operation.outcome = Outcome::Failed {
                        status: NOT_FOUND,
                        problem: status.message().to_owned(),
                    };
                }
            },
            // Not there yet, or not to be reached: nothing was shown.
            Err(_) => {}
        }
        self.world.history.record(operation);
    }

    /// Sent once more where the client says itself that it never left it, as clients of gRPC do by themselves ("transparent
    /// retry"), and this one does by HTTP.
    async fn get_item(&self, message: GetItemRequest) -> Result<Response<Item>, Status> {
        let sent = || async {
            let request = self.client.with_token(message.clone());
            let request = request.map_err(|error| Status::internal(format!("{error:#}")))?;
            self.client.grpc().get_item(request).await
        };
        match sent().await {
            Err(status) if never_left(&status) => sent().await,
            answer => answer,
        }
    }
}

/// The connection was closed while the request still waited for it.
fn never_left(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The version of an item that was deleted.
fn deleted_at(status: &Status) -> Option<i64> {
    let info = status.get_details_error_info()?;
    info.metadata.get("version")?.parse().ok()
}
