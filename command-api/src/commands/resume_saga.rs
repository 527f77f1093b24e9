use depot_saga::{Resumed, resume};
use serde_json::json;
use uuid::Uuid;

use super::{AdminAction, AuditEntry, CommandError, Refusal, UnitOfWork};
use crate::saga::SAGAS;

/// Sets a stuck saga going from the step at which it stands.
#[derive(Debug, Clone)]
pub struct ResumeSaga {
    pub saga: String,
    pub saga_id: Uuid,
}

impl AdminAction for ResumeSaga {
    type Answer = ();

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<((), AuditEntry), CommandError> {
        let not_found = || Refusal::SagaNotFound {
            saga: self.saga.clone(),
            saga_id: self.saga_id,
        };
        let saga = SAGAS.iter().find(|saga| saga.name == self.saga);
        let saga = saga.ok_or_else(not_found)?;
        match resume(unit.conn(), saga, self.saga_id).await? {
            Resumed::Resumed => {}
            Resumed::NotStuck => {
                return Err(CommandError::Refused(Refusal::SagaNotStuck {
                    saga: self.saga.clone(),
                    saga_id: self.saga_id,
                }));
            }
            Resumed::Unknown => return Err(CommandError::Refused(not_found())),
        }
        let entry = AuditEntry {
            action: "saga.resume",
            subject: format!("{}/{}", self.saga, self.saga_id),
            detail: json!({}),
        };
        Ok(((), entry))
    }
}
