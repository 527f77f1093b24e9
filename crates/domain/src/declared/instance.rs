use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{Command, Declaration, EventName, Refused, declaration::Applied};
use crate::{InstanceId, Owner};

/// One of a declared aggregate, as the write side knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    pub of: &'static Declaration,
    pub id: InstanceId,
    pub owner: Owner,
    /// 1 at creation, raised by one with each change.
    pub version: i64,
    /// What the aggregate itself has; an object.
    pub state: Value,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// What a command does to one.
#[derive(Debug, Clone, PartialEq)]
pub enum InstanceDecision {
    /// It is in its next version; the event that tells so, and the names of the members that changed.
    Changed(Instance, EventName, Vec<String>),
    /// The command asks for what is there already: no version, no event.
    Unchanged(Instance),
}

impl Instance {
    /// A new one, of a state that [`Declaration::create`] made.
    pub fn new(
        of: &'static Declaration,
        id: InstanceId,
        owner: Owner,
        state: Value,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            of,
            id,
            owner,
            version: 1,
            state,
            created_at: now,
            updated_at: now,
        }
    }

    /// What a command makes of it, by a body that has the command's shape.
    ///
    /// # Errors
    /// The aggregate's own.
    pub fn change(
        self,
        command: &Command,
        body: Value,
        now: OffsetDateTime,
    ) -> Result<InstanceDecision, Refused> {
        let Applied { before, after } = (command.apply)(self.state.clone(), body)?;
        if before == after {
            return Ok(InstanceDecision::Unchanged(self));
        }
        let changed = differences(&before, &after);
        let next = Self {
            version: self.version + 1,
            // A clock that was set back must not make it older than it was.
            updated_at: now.max(self.updated_at),
            state: after,
            ..self
        };
        Ok(InstanceDecision::Changed(next, command.event, changed))
    }
}

/// The members that two states do not have in common, in the order of their names.
fn differences(before: &Value, after: &Value) -> Vec<String> {
    let none = Map::new();
    let members = |state| Value::as_object(state).unwrap_or(&none);
    let (before, after) = (members(before), members(after));
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let other = after.keys().filter(|name| before.get(*name) != after.get(*name));
    let mut names: Vec<String> = gone.chain(other).cloned().collect();
    names.sort();
    names
}
