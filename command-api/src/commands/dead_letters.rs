use serde_json::{Value, json};

use super::{AdminAction, AuditEntry, CommandError, Refusal, UnitOfWork};
use crate::store::dead_letters::{self, Filter};

/// Brings dead letters back to the retry topic of the group that failed; those that cannot be are left.
#[derive(Debug, Clone)]
pub struct RedriveDeadLetters {
    pub filter: Filter,
    /// What the audit names.
    pub subject: String,
    /// Each `(group, source topic)` that has a retry topic.
    pub sources: Vec<(String, String)>,
    /// Letters a second.
    pub rate: i32,
    pub dry_run: bool,
    /// Whether one letter is meant, which must be there and open.
    pub is_one: bool,
}

/// Gives dead letters up. They stay in their topics.
#[derive(Debug, Clone)]
pub struct DiscardDeadLetters {
    pub filter: Filter,
    pub subject: String,
    /// Why, for the audit.
    pub note: String,
    pub dry_run: bool,
    pub is_one: bool,
}

impl AdminAction for RedriveDeadLetters {
    type Answer = i64;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<(i64, AuditEntry), CommandError> {
        let (filter, sources) = (&self.filter, &self.sources);
        let count =
            dead_letters::begin_redrive(unit.conn(), filter, sources, self.rate, self.dry_run).await?;
        if self.is_one && count == 0 {
            return Err(refusal(unit, filter, true).await?);
        }
        let detail = json!({ "count": count, "rate": self.rate, "dry_run": self.dry_run });
        Ok((count, entry("dlq.redrive", &self.subject, detail)))
    }
}

impl AdminAction for DiscardDeadLetters {
    type Answer = i64;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<(i64, AuditEntry), CommandError> {
        let count = dead_letters::discard(unit.conn(), &self.filter, self.dry_run).await?;
        if self.is_one && count == 0 {
            return Err(refusal(unit, &self.filter, false).await?);
        }
        let detail = json!({ "count": count, "dry_run": self.dry_run, "note": self.note });
        Ok((count, entry("dlq.discard", &self.subject, detail)))
    }
}

fn entry(action: &'static str, subject: &str, detail: Value) -> AuditEntry {
    AuditEntry {
        action,
        subject: subject.to_owned(),
        detail,
    }
}

/// Why nothing was done with the one letter that was meant.
async fn refusal(
    unit: &mut UnitOfWork,
    filter: &Filter,
    is_redrive: bool,
) -> Result<CommandError, CommandError> {
    let found = dead_letters::page(unit.conn(), filter, None, 1).await?;
    Ok(CommandError::Refused(match found.into_iter().next() {
        None => Refusal::NoDeadLetter,
        Some(letter) if is_redrive && letter.state == "open" => Refusal::NoRetryTopic {
            group: letter.consumer_group,
            topic: letter.topic,
        },
        Some(letter) => Refusal::DeadLetterNotOpen { state: letter.state },
    }))
}
