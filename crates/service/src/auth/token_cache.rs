//! Tokens that were verified already.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::Principal;

/// Longer tokens are verified each time, so that the memory is bounded: by 8 MiB.
const MAX_CACHED_BYTES: usize = 2_048;
const SLOTS: usize = 4_096;

/// A token whose signature and claims are good; whether its time is, is asked each time.
pub(super) struct Verified {
    hash: u64,
    token: Box<str>,
    /// Of the keys that it was verified by.
    pub generation: u64,
    pub principal: Principal,
    pub lifetime: Lifetime,
}

/// From `nbf` to `exp`, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime {
    pub not_before: Option<u64>,
    pub expires: u64,
}

/// A place for each hash: two tokens of one place take turns. Nobody locks.
///
/// A token is compared only where its whole keyed hash is the same, so that the time of a comparison tells nothing of
/// the tokens that are here.
pub(super) struct TokenCache {
    slots: Box<[ArcSwapOption<Verified>]>,
    hasher: RandomState,
}

impl TokenCache {
    pub fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| ArcSwapOption::empty()).collect(),
            hasher: RandomState::new(),
        }
    }

    pub fn get(&self, token: &str, generation: u64) -> Option<Arc<Verified>> {
        let hash = self.hasher.hash_one(token);
        let found = self.slots[slot(hash)].load();
        let known = found
            .as_ref()
            .filter(|known| known.hash == hash && known.generation == generation && *known.token == *token)?;
        Some(Arc::clone(known))
    }

    pub fn put(&self, token: &str, generation: u64, principal: Principal, lifetime: Lifetime) {
        if token.len() > MAX_CACHED_BYTES {
            return;
        }
        let hash = self.hasher.hash_one(token);
        let verified = Verified {
            hash,
            token: token.into(),
            generation,
            principal,
            lifetime,
        };
        self.slots[slot(hash)].store(Some(Arc::new(verified)));
    }
}

fn slot(hash: u64) -> usize {
    (hash % SLOTS as u64) as usize
}
