//! Commands on declared aggregates: one that makes one, and one for all that changes one.

use depot_domain::{Command, Declaration, Instance, InstanceDecision, InstanceId, Refused, VersionToken};
use depot_schemas::EventType;
use serde_json::Value;
use sqlx::PgConnection;

use super::{Actor, CommandError, Precondition, Refusal, UnitOfWork, UseCase};
use crate::store::{self, StoreError};

/// A declared aggregate after a command.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredAnswer {
    pub instance: Instance,
    pub version: VersionToken,
}

/// Makes one; the actor owns it.
#[derive(Debug, Clone)]
pub struct CreateDeclared {
    pub actor: Actor,
    pub of: &'static Declaration,
    /// As the declaration made it.
    pub state: Value,
}

/// Does what one of its commands says.
#[derive(Debug, Clone)]
pub struct ChangeDeclared {
    pub actor: Actor,
    pub of: &'static Declaration,
    pub id: InstanceId,
    pub precondition: Precondition,
    pub command: &'static Command,
    /// In the shape of the command.
    pub body: Value,
}

impl UseCase for CreateDeclared {
    type Answer = DeclaredAnswer;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<DeclaredAnswer, CommandError> {
        let (id, owner) = (InstanceId::generate(), self.actor.subject.clone());
        let instance = Instance::new(self.of, id, owner, self.state.clone(), unit.now());
        store::declared::insert(unit.conn(), &instance).await?;
        let event_type = EventType::Declared(self.of, self.of.created);
        unit.record_declared(event_type, &instance, Vec::new(), self.actor.subject.as_str());
        let version = unit.token(instance.version);
        Ok(DeclaredAnswer { instance, version })
    }

    async fn authorize(&self, _: &mut PgConnection) -> Result<(), CommandError> {
        Ok(())
    }
}

impl UseCase for ChangeDeclared {
    type Answer = DeclaredAnswer;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<DeclaredAnswer, CommandError> {
        let (name, id) = (self.of.name, self.id);
        let found = store::declared::lock(unit.conn(), self.of, id).await?;
        let instance = found.ok_or(Refusal::DeclaredNotFound { name, id })?;
        self.actor.require_owner(&instance.owner)?;
        let version = unit.token(instance.version);
        self.precondition.check(version)?;
        let decision = instance
            .change(self.command, self.body.clone(), unit.now())
            .map_err(|refused| not_done(refused, self.of, id, version))?;
        let (instance, event, changed) = match decision {
            InstanceDecision::Unchanged(instance) => return Ok(DeclaredAnswer { instance, version }),
            InstanceDecision::Changed(instance, event, changed) => (instance, event, changed),
        };
        store::declared::update(unit.conn(), &instance).await?;
        let event_type = EventType::Declared(self.of, event);
        unit.record_declared(event_type, &instance, changed, self.actor.subject.as_str());
        let version = unit.token(instance.version);
        Ok(DeclaredAnswer { instance, version })
    }

    async fn authorize(&self, conn: &mut PgConnection) -> Result<(), CommandError> {
        match store::declared::owner(conn, self.of, self.id).await? {
            Some(owner) => self.actor.require_owner(&owner),
            None => Ok(()),
        }
    }
}

/// Why it was not done, of one at `version`.
fn not_done(refused: Refused, of: &Declaration, id: InstanceId, version: VersionToken) -> CommandError {
    match refused {
        Refused::Invalid(invalid) => Refusal::Invalid(invalid.0).into(),
        Refused::NotNow(why) => Refusal::DeclaredNotNow { why, version }.into(),
        Refused::Unfit(source) => StoreError::Corrupt {
            table: of.plural,
            id: id.to_string(),
            source: Box::new(source),
        }
        .into(),
    }
}
