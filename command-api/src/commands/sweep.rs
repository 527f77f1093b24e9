use serde_json::json;

use super::{AdminAction, AuditEntry, CommandError, UnitOfWork};

/// Notes that somebody has a sweep run. What it mends is noted by each mending itself.
#[derive(Debug, Clone)]
pub struct BeginSweep {
    pub dry_run: bool,
    pub forget_unknown: bool,
}

impl AdminAction for BeginSweep {
    type Answer = ();

    async fn execute(&self, _: &mut UnitOfWork) -> Result<((), AuditEntry), CommandError> {
        let entry = AuditEntry {
            action: "sweep.run",
            subject: "everything".to_owned(),
            detail: json!({ "dry_run": self.dry_run, "forget_unknown": self.forget_unknown }),
        };
        Ok(((), entry))
    }
}
