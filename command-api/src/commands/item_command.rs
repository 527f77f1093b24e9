use depot_domain::{Item, ItemId, VersionToken};
use depot_schemas::EventType;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Actor, CommandError, ItemAnswer, UnitOfWork, UseCase};
use crate::store;

/// What a command is decided by, besides the item: the database's clock and epoch.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub now: OffsetDateTime,
    /// How often the database was set back.
    pub epoch: i32,
}

impl Moment {
    /// The token of an item's version.
    pub fn token(&self, version: i64) -> VersionToken {
        VersionToken::new(self.epoch, version)
    }
}

/// What is to be written for a decision, whose item its answer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemWrite {
    /// Nothing: it is there already.
    Nothing,
    /// An item that was not there.
    New(EventType),
    /// The next version of one that is locked, and the names of the fields that changed.
    Next(EventType, Vec<&'static str>),
}

/// A command on one item, that reads nothing but that item: it is decided without the database, so it may share a
/// transaction with others.
pub trait ItemCommand: Send + Sync + 'static {
    fn actor(&self) -> &Actor;

    /// The item that it changes; none for one that makes an item.
    fn target(&self) -> Option<ItemId>;

    /// What becomes of the item, which is none where the command makes one. The item is locked.
    ///
    /// # Errors
    /// `Refused`, or `Forbidden`: nothing is written.
    fn decide(&self, item: Option<Item>, moment: &Moment) -> Result<(ItemAnswer, ItemWrite), CommandError>;
}

/// In a transaction of its own.
impl<C: ItemCommand> UseCase for C {
    type Answer = ItemAnswer;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<ItemAnswer, CommandError> {
        let decide = |item, moment: &Moment| self.decide(item, moment);
        execute(unit, self.target(), self.actor(), decide).await
    }

    async fn authorize(&self, conn: &mut PgConnection) -> Result<(), CommandError> {
        match self.target() {
            Some(id) => authorize(conn, self.actor(), id).await,
            None => Ok(()),
        }
    }
}

/// Locks the item, has `decide` decide, and writes what it says.
pub(super) async fn execute(
    unit: &mut UnitOfWork,
    target: Option<ItemId>,
    actor: &Actor,
    decide: impl FnOnce(Option<Item>, &Moment) -> Result<(ItemAnswer, ItemWrite), CommandError> + Send,
) -> Result<ItemAnswer, CommandError> {
    let item = match target {
        Some(id) => store::items::lock(unit.conn(), id).await?,
        None => None,
    };
    let (answer, write) = decide(item, &unit.moment())?;
    match &write {
        ItemWrite::Nothing => {}
        ItemWrite::New(_) => store::items::insert(unit.conn(), &answer.item).await?,
        ItemWrite::Next(..) => store::items::update(unit.conn(), &answer.item).await?,
    }
    unit.record_write(&answer.item, &write, actor);
    Ok(answer)
}

/// Whether the actor may change the item; one that is not there forbids nothing.
pub(super) async fn authorize(
    conn: &mut PgConnection,
    actor: &Actor,
    id: ItemId,
) -> Result<(), CommandError> {
    match store::items::owner(conn, id).await? {
        Some(owner) => actor.require_owner(&owner),
        None => Ok(()),
    }
}
