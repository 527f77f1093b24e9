use depot_domain::{Invalid, Item, ItemDecision, ItemError, ItemId};
use depot_schemas::EventType;
use time::OffsetDateTime;

use super::{Actor, CommandError, ItemAnswer, ItemWrite, Moment, Precondition, Refusal};

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
    /// Checks who asks and which version is meant, and has `decide` decide.
    pub fn decide(
        self,
        item: Option<Item>,
        moment: &Moment,
        decide: impl FnOnce(Item, OffsetDateTime) -> Result<ItemDecision, Undecided>,
    ) -> Result<(ItemAnswer, ItemWrite), CommandError> {
        let item = item.ok_or(Refusal::ItemNotFound(self.id))?;
        self.actor.require_owner(&item.owner)?;
        let version = moment.token(item.version);
        item.require_alive()
            .map_err(|error| Refusal::by_item(error, version))?;
        self.precondition.check(version)?;
        let decision = decide(item, moment.now).map_err(|undecided| match undecided {
            Undecided::Item(error) => Refusal::by_item(error, version),
            Undecided::Invalid(invalid) => Refusal::Invalid(invalid.0),
        })?;
        Ok(match decision {
            ItemDecision::Unchanged(item) => (ItemAnswer { item, version }, ItemWrite::Nothing),
            ItemDecision::Changed(item, changed) => {
                let version = moment.token(item.version);
                let write = ItemWrite::Next(self.event_type, changed);
                (ItemAnswer { item, version }, write)
            }
        })
    }
}
