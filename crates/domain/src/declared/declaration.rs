use std::{
    fmt,
    hash::{Hash, Hasher},
};

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use super::{Aggregate, Body, Change, EventName, Refused, storable::storable};

/// An aggregate without its type: what serves all of them is told which by this. Two are the same if their names are.
#[derive(Clone, Copy)]
pub struct Declaration {
    pub name: &'static str,
    pub plural: &'static str,
    pub created: EventName,
    pub commands: &'static [Command],
    /// Of the request that makes one.
    pub new: Body,
    create: fn(Value) -> Result<Value, Refused>,
    reads: fn(&Value) -> Result<(), serde_json::Error>,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

/// A change without its type.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    pub name: &'static str,
    pub event: EventName,
    pub body: Body,
    /// From the state and the body.
    pub(super) apply: fn(Value, Value) -> Result<Applied, Refused>,
}

/// A state, and what a command makes of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Applied {
    pub(super) before: Value,
    pub(super) after: Value,
}

impl Declaration {
    pub const fn of<A: Aggregate>() -> Self {
        Self {
            name: A::NAME,
            plural: A::PLURAL,
            created: A::CREATED,
            commands: A::COMMANDS,
            new: Body::of::<A::New>(),
            create: create::<A>,
            reads: reads::<A>,
            schema: schema::<A>,
        }
    }

    /// The first state of a new one, by a body that has the shape of [`new`](Self::new).
    ///
    /// # Errors
    /// The aggregate's own.
    pub fn create(&self, body: Value) -> Result<Value, Refused> {
        (self.create)(body)
    }

    pub fn command(&self, name: &str) -> Option<&'static Command> {
        self.commands.iter().find(|command| command.name == name)
    }

    /// All its events: that of a new one, and those of its commands, each once.
    pub fn events(&self) -> Vec<EventName> {
        let mut events = vec![self.created];
        for command in self.commands {
            if !events.contains(&command.event) {
                events.push(command.event);
            }
        }
        events
    }

    /// Whether a state is one of this aggregate, unknown fields aside.
    ///
    /// # Errors
    /// What it lacks.
    pub fn reads(&self, state: &Value) -> Result<(), serde_json::Error> {
        (self.reads)(state)
    }

    /// The JSON Schema of the state.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }
}

impl Command {
    pub const fn of<C: Change>() -> Self {
        Self {
            name: C::NAME,
            event: C::EVENT,
            body: Body::of::<C>(),
            apply: apply::<C>,
        }
    }
}

fn create<A: Aggregate>(body: Value) -> Result<Value, Refused> {
    let state = A::create(serde_json::from_value(body)?)?;
    storable(serde_json::to_value(state)?)
}

fn apply<C: Change>(state: Value, body: Value) -> Result<Applied, Refused> {
    let change: C = serde_json::from_value(body)?;
    let state: C::Of = serde_json::from_value(state)?;
    // As this program writes it: a state that an earlier one wrote may lack a member that has a default.
    let before = serde_json::to_value(&state)?;
    let after = storable(serde_json::to_value(change.apply(state)?)?)?;
    Ok(Applied { before, after })
}

fn reads<A: Aggregate>(state: &Value) -> Result<(), serde_json::Error> {
    A::deserialize(state).map(drop)
}

fn schema<A: Aggregate>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<A>()
}

impl PartialEq for Declaration {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Declaration {}

impl Hash for Declaration {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Declaration").field(&self.name).finish()
    }
}
