use depot_domain::{Item, ItemContent, ItemId};
use depot_schemas::EventType;

use super::{
    Actor, CommandError, ItemAnswer, ItemCommand, ItemWrite, Moment, Precondition, change_item::ChangeItem,
};

/// Replaces the content of an item as a whole.
#[derive(Debug, Clone)]
pub struct ReplaceItem {
    pub actor: Actor,
    pub id: ItemId,
    pub precondition: Precondition,
    pub content: ItemContent,
}

impl ItemCommand for ReplaceItem {
    fn actor(&self) -> &Actor {
        &self.actor
    }

    fn target(&self) -> Option<ItemId> {
        Some(self.id)
    }

    fn decide(&self, item: Option<Item>, moment: &Moment) -> Result<(ItemAnswer, ItemWrite), CommandError> {
        let change = ChangeItem {
            actor: &self.actor,
            id: self.id,
            precondition: &self.precondition,
            event_type: EventType::ItemUpdated,
        };
        change.decide(item, moment, |item, now| {
            Ok(item.replace(self.content.clone(), now)?)
        })
    }
}
