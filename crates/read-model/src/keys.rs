use uuid::Uuid;

use crate::change::EntityKind;

/// The keys of one version of the views in one generation.
///
/// `{prefix}item:{projection}:{generation}:{id}` and `{prefix}upload:{projection}:{generation}:{id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheKeys {
    /// `REDIS_KEY_PREFIX`; empty in an installation that has Redis for itself.
    pub prefix: String,
    /// `read.active_projection.projection`.
    pub projection: i32,
    /// `read.cache_generation.generation`.
    pub generation: i64,
}

impl CacheKeys {
    pub fn new(prefix: impl Into<String>, projection: i32, generation: i64) -> Self {
        Self {
            prefix: prefix.into(),
            projection,
            generation,
        }
    }

    /// The key of an item's entry.
    pub fn item(&self, id: Uuid) -> String {
        self.key(EntityKind::Item, id)
    }

    /// The key of an upload's entry.
    pub fn upload(&self, id: Uuid) -> String {
        self.key(EntityKind::Upload, id)
    }

    /// The key of an entry of that kind.
    pub fn key(&self, kind: EntityKind, id: Uuid) -> String {
        let Self {
            prefix,
            projection,
            generation,
        } = self;
        format!("{prefix}{}:{projection}:{generation}:{id}", kind.as_str())
    }
}

/// The pub/sub channel of change notifications.
pub fn changes_channel(prefix: &str) -> String {
    format!("{prefix}changes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_projection_and_generation() {
        let keys = CacheKeys::new("p:", 2, 31);
        let id = Uuid::nil();
        assert_eq!(keys.item(id), "p:item:2:31:00000000-0000-0000-0000-000000000000");
        assert_eq!(
            keys.upload(id),
            "p:upload:2:31:00000000-0000-0000-0000-000000000000"
        );
        assert_eq!(changes_channel("p:"), "p:changes");
    }
}
