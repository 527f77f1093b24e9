use depot_domain::{ItemContent, ItemId};
use depot_schemas::EventType;
use sqlx::PgConnection;

use super::{
    Actor, CommandError, ItemAnswer, Precondition, UnitOfWork, UseCase,
    change_item::{self, ChangeItem},
};

/// Replaces the content of an item as a whole.
#[derive(Debug, Clone)]
pub struct ReplaceItem {
    pub actor: Actor,
    pub id: ItemId,
    pub precondition: Precondition,
    pub content: ItemContent,
}

impl UseCase for ReplaceItem {
    type Answer = ItemAnswer;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<ItemAnswer, CommandError> {
        let change = ChangeItem {
            actor: &self.actor,
            id: self.id,
            precondition: &self.precondition,
            event_type: EventType::ItemUpdated,
        };
        let content = self.content.clone();
        change
            .execute(unit, |item, now| Ok(item.replace(content, now)?))
            .await
    }

    async fn authorize(&self, conn: &mut PgConnection) -> Result<(), CommandError> {
        change_item::authorize(conn, &self.actor, self.id).await
    }
}
