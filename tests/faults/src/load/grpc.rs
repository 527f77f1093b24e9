use depot_proto::v1::{AtLeast, GetItemRequest};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::Actor;
use crate::history::{Kind, Outcome};

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
                wait: None,
            }),
        };
        let Ok(request) = self.client.with_token(message) else {
            return;
        };
        match self.client.grpc().get_item(request).await {
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
}

/// The version of an item that was deleted.
fn deleted_at(status: &Status) -> Option<i64> {
    let info = status.get_details_error_info()?;
    info.metadata.get("version")?.parse().ok()
}
