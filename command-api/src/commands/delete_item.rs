use depot_domain::ItemId;
use depot_schemas::EventType;
use sqlx::PgConnection;

use super::{
    Actor, CommandError, ItemAnswer, Precondition, UnitOfWork, UseCase,
    change_item::{self, ChangeItem},
};

/// Deletes an item for good. Its uploads follow: the saga ends them when it sees the event.
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
        change.execute(unit, |item, now| Ok(item.delete(now)?)).await
    }

    async fn authorize(&self, conn: &mut PgConnection) -> Result<(), CommandError> {
        change_item::authorize(conn, &self.actor, self.id).await
    }
}
