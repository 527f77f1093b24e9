use depot_domain::{Item, ItemContent, ItemId};
use depot_schemas::EventType;
use sqlx::PgConnection;

use super::{Actor, CommandError, ItemAnswer, UnitOfWork, UseCase};
use crate::store;

/// Adds an item to the catalogue; the actor owns it.
#[derive(Debug, Clone)]
pub struct CreateItem {
    pub actor: Actor,
    pub content: ItemContent,
}

impl UseCase for CreateItem {
    type Answer = ItemAnswer;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<ItemAnswer, CommandError> {
        let owner = self.actor.subject.clone();
        let item = Item::create(ItemId::generate(), owner, self.content.clone(), unit.now());
        store::items::insert(unit.conn(), &item).await?;
        unit.record_item(EventType::ItemCreated, &item, &[], self.actor.subject.as_str());
        Ok(ItemAnswer {
            version: unit.token(item.version),
            item,
        })
    }

    async fn authorize(&self, _: &mut PgConnection) -> Result<(), CommandError> {
        Ok(())
    }
}
