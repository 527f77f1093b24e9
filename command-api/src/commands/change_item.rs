use depot_domain::{Invalid, Item, ItemDecision, ItemError, ItemId};
use depot_schemas::EventType;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Actor, CommandError, ItemAnswer, Precondition, Refusal, UnitOfWork};
use crate::store;

/// A change of an item that is there: what all of them have in common.
#[derive(Debug, Clone)]
pub(super) struct ChangeItem<'a> {
    pub actor: &'a Actor,
    pub id: ItemId,
    pub precondition: &'a Precondition,
    pub event_type: EventType,
}

/// Why an item does not change.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undecided {
    #[error(transparent)]
    Item(#[from] ItemError),
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl ChangeItem<'_> {
    /// Locks the item, checks who asks and which version is meant, has `decide` decide, and writes what it says.
    pub async fn execute(
        self,
        unit: &mut UnitOfWork,
        decide: impl FnOnce(Item, OffsetDateTime) -> Result<ItemDecision, Undecided> + Send,
    ) -> Result<ItemAnswer, CommandError> {
        let item = store::items::lock(unit.conn(), self.id)
            .await?
            .ok_or(Refusal::ItemNotFound(self.id))?;
        self.actor.require_owner(&item.owner)?;
        let version = unit.token(item.version);
        item.require_alive()
            .map_err(|error| Refusal::by_item(error, version))?;
        self.precondition.check(version)?;
        let decision = decide(item, unit.now()).map_err(|undecided| match undecided {
            Undecided::Item(error) => Refusal::by_item(error, version),
            Undecided::Invalid(invalid) => Refusal::Invalid(invalid.0),
        })?;
        match decision {
            ItemDecision::Unchanged(item) => Ok(ItemAnswer { item, version }),
            ItemDecision::Changed(item, changed) => {
                store::items::update(unit.conn(), &item).await?;
                unit.record_item(self.event_type, &item, &changed, self.actor.subject.as_str());
                Ok(ItemAnswer {
                    version: unit.token(item.version),
                    item,
                })
            }
        }
    }
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
