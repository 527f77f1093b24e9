use depot_domain::{Item, ItemContent, ItemId};
use depot_schemas::EventType;

use super::{Actor, CommandError, ItemAnswer, ItemCommand, ItemWrite, Moment};

/// Adds an item to the catalogue; the actor owns it.
#[derive(Debug, Clone)]
pub struct CreateItem {
    pub actor: Actor,
    pub content: ItemContent,
}

impl ItemCommand for CreateItem {
    fn actor(&self) -> &Actor {
        &self.actor
    }

    fn target(&self) -> Option<ItemId> {
        None
    }

    fn decide(&self, _: Option<Item>, moment: &Moment) -> Result<(ItemAnswer, ItemWrite), CommandError> {
        let owner = self.actor.subject.clone();
        let item = Item::create(ItemId::generate(), owner, self.content.clone(), moment.now);
        let version = moment.token(item.version);
        Ok((
            ItemAnswer { item, version },
            ItemWrite::New(EventType::ItemCreated),
        ))
    }
}
