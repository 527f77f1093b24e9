use serde_json::json;
use uuid::Uuid;

use super::{AdminAction, AuditEntry, CommandError, UnitOfWork};
use crate::store::republish::{self, RunStatus};

/// Has the state of every item and upload told to the log once more. A run that is under way is not begun again.
#[derive(Debug, Clone)]
pub struct BeginRepublish {
    pub requested_by: String,
}

impl AdminAction for BeginRepublish {
    /// The run that is under way now.
    type Answer = RunStatus;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<(RunStatus, AuditEntry), CommandError> {
        let run_id = Uuid::now_v7();
        let is_begun = republish::begin(unit.conn(), run_id, &self.requested_by).await?;
        let status = republish::status(unit.conn()).await?;
        let entry = AuditEntry {
            action: "log.republish",
            subject: status.run_id.unwrap_or(run_id).to_string(),
            detail: json!({ "is_begun": is_begun }),
        };
        Ok((status, entry))
    }
}
