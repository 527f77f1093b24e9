use serde_json::json;
use uuid::Uuid;

use super::{AdminAction, AuditEntry, CommandError, Refusal, UnitOfWork};
use crate::store::StoreError;

/// Asks the relay to go on with an aggregate of which Kafka refused an event.
#[derive(Debug, Clone)]
pub struct ResumeAggregate {
    pub aggregate_id: Uuid,
}

impl AdminAction for ResumeAggregate {
    type Answer = ();

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<((), AuditEntry), CommandError> {
        let is_parked = depot_outbox::resume(unit.conn(), self.aggregate_id)
            .await
            .map_err(StoreError::doing("resume a parked aggregate"))?;
        if !is_parked {
            return Err(CommandError::Refused(Refusal::NotParked(self.aggregate_id)));
        }
        let entry = AuditEntry {
            action: "outbox.resume",
            subject: self.aggregate_id.to_string(),
            detail: json!({}),
        };
        Ok(((), entry))
    }
}
