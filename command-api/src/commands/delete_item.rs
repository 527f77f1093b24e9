use depot_domain::ItemId;
use depot_schemas::EventType;
use sqlx::PgConnection;

use super::{
    Actor, CommandError, ItemAnswer, Precondition, UnitOfWork, UseCase, change_item::ChangeItem, item_command,
};
use crate::saga::ITEM_DELETION_SAGA;

/// Deletes an item for good, and begins the saga that ends its uploads and has their files removed.
#[derive(Debug, Clone)]
pub struct DeleteItem {
    pub actor: Actor,
    pub id: ItemId,
    pub precondition: Precondition,
}

impl UseCase for DeleteItem {
    type Answer = ItemAnswer;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<ItemAnswer, CommandError> {
        let change = ChangeItem {
            actor: &self.actor,
            id: self.id,
            precondition: &self.precondition,
            event_type: EventType::ItemDeleted,
        };
        let deleted = item_command::execute(unit, Some(self.id), &self.actor, |item, moment| {
            change.decide(item, moment, |item, now| Ok(item.delete(now)?))
        });
        let deleted = deleted.await?;
        depot_saga::store::begin(unit.conn(), &ITEM_DELETION_SAGA, self.id.0, None).await?;
        Ok(deleted)
    }

    async fn authorize(&self, conn: &mut PgConnection) -> Result<(), CommandError> {
        item_command::authorize(conn, &self.actor, self.id).await
    }
}
