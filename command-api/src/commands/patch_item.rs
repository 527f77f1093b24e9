use depot_domain::{FieldError, Invalid, Item, ItemContent, ItemId, ItemStatus};
use depot_schemas::EventType;
use serde_json::{Map, Value};

use super::{
    Actor, CommandError, ItemAnswer, ItemCommand, ItemWrite, Moment, Precondition, change_item::ChangeItem,
};

/// A JSON merge patch (RFC 7396) of an item's content. `None` leaves a member as it is, `Some(None)` removes it, which
/// gives it its default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemPatch {
    pub name: Option<Option<String>>,
    pub description: Option<Option<String>>,
    pub tags: Option<Option<Vec<String>>>,
    /// Merged into the present attributes, at any depth.
    pub attributes: Option<Option<Map<String, Value>>>,
    pub status: Option<Option<ItemStatus>>,
}

impl ItemPatch {
    /// The content that results, checked as a whole.
    ///
    /// # Errors
    /// All fields of the result that cannot be accepted.
    pub fn apply(self, item: &Item) -> Result<ItemContent, Invalid> {
        let present = &item.content;
        let removed_name = matches!(self.name, Some(None));
        let content = ItemContent::parse(
            merged(self.name, || present.name.as_str().to_owned()),
            merged(self.description, || present.description.as_str().to_owned()),
            merged(self.tags, || present.tags.as_slice().to_vec()),
            merge_attributes(self.attributes, present.attributes.as_map()),
            merged(self.status, || present.status),
        );
        content.map_err(|mut invalid| {
            for error in invalid
                .0
                .iter_mut()
                .filter(|error| removed_name && error.pointer == "/name")
            {
                *error = FieldError::new("/name", "cannot be removed: an item has a name");
            }
            invalid
        })
    }
}

fn merged<T: Default>(patch: Option<Option<T>>, present: impl FnOnce() -> T) -> T {
    match patch {
        None => present(),
        Some(None) => T::default(),
        Some(Some(value)) => value,
    }
}

fn merge_attributes(
    patch: Option<Option<Map<String, Value>>>,
    present: &Map<String, Value>,
) -> Map<String, Value> {
    match patch {
        None => present.clone(),
        Some(None) => Map::new(),
        Some(Some(patch)) => merge_object(present.clone(), patch),
    }
}

/// RFC 7396, section 2. Its depth is bounded by that of the parsed patch.
fn merge_object(mut target: Map<String, Value>, patch: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(&name);
            }
            Value::Object(patch) => {
                let inner = match target.remove(&name) {
                    Some(Value::Object(inner)) => inner,
                    _ => Map::new(),
                };
                target.insert(name, Value::Object(merge_object(inner, patch)));
            }
            value => {
                target.insert(name, value);
            }
        }
    }
    target
}

/// Changes those members of an item's content that the patch names.
#[derive(Debug, Clone)]
pub struct PatchItem {
    pub actor: Actor,
    pub id: ItemId,
    pub precondition: Precondition,
    pub patch: ItemPatch,
}

impl ItemCommand for PatchItem {
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
            let content = self.patch.clone().apply(&item)?;
            Ok(item.replace(content, now)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    /// The cases of RFC 7396, appendix A, whose target and patch are objects.
    #[test]
    fn attributes_merge_as_the_rfc_says() {
        let cases = [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (
                json!({}),
                json!({"a":{"bb":{"ccc":null}}}),
                json!({"a":{"bb":{}}}),
            ),
        ];
        for (target, patch, expected) in cases {
            let merged = merge_object(object(target.clone()), object(patch.clone()));
            assert_eq!(Value::Object(merged), expected, "{target} patched by {patch}");
        }
    }
}
