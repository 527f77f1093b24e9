//! Whether Postgres and Redis answer this process. The object store is called by others alone, which tell.

use std::time::Duration;

use crate::read::{Cache, Pointer};

/// How long each took to answer, or why it did not.
#[derive(Debug)]
pub struct Answers {
    pub views: Result<Duration, String>,
    pub cache: Result<Duration, String>,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Stores {
    pointer: Pointer,
    cache: Cache,
}

impl Stores {
    pub fn new(pointer: Pointer, cache: Cache) -> Self {
        Self { pointer, cache }
    }

    /// Asks both.
    pub async fn ask(&self) -> Answers {
        // The pointer is looked up all the time: when Postgres last answered is known without asking.
        let views = self.pointer.heard();
        let cache = self.cache.ping().await;
        Answers { views, cache }
    }
}
