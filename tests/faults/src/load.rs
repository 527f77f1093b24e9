//! The mixed load: who does what, until it is told to stop.

mod attempts;
mod grpc;
mod items;
mod parts;
mod reads;
mod script;
mod sending;
mod uploads;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::task::JoinSet;
use uuid::Uuid;

pub use script::play;

use crate::{
    client::Client,
    history::{History, Kind, Operation},
};

/// What was acknowledged lately, for readers to ask for.
const REMEMBERED: usize = 200;
/// Few, so that those who share them meet.
const SHARED_ITEMS: usize = 4;
const ITEM_WORKERS: u64 = 6;
/// So many of them have one subject, and change each other's items.
const SHARING: u64 = 2;
const UPLOAD_WORKERS: u64 = 3;
const READERS: u64 = 2;
/// Attempts of a client that wants to know.
const PATIENT: u32 = 60;

/// What all workers share.
#[derive(Default)]
pub struct World {
    pub history: History,
    stop: AtomicBool,
    /// Items with a version that was acknowledged.
    items: Mutex<VecDeque<(Uuid, i64)>>,
    /// The same, of each subject by itself: for those who may change them.
    own: Mutex<HashMap<String, VecDeque<(Uuid, i64)>>>,
    /// Uploads with their owner.
    uploads: Mutex<VecDeque<(Uuid, String)>>,
}

impl World {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A version of an item that its owner was told of.
    fn remember_item(&self, owner: &str, id: Uuid, version: i64) {
        remember(&mut lock(&self.items), (id, version), REMEMBERED);
        let mut own = lock(&self.own);
        let own = own.entry(owner.to_owned()).or_default();
        own.retain(|(item, _)| *item != id);
        remember(own, (id, version), SHARED_ITEMS);
    }

    fn remember_upload(&self, id: Uuid, owner: &str) {
        remember(&mut lock(&self.uploads), (id, owner.to_owned()), REMEMBERED);
    }

    /// An item of that owner which was changed lately, with the newest version that anybody was told of.
    fn recall_own(&self, owner: &str, rng: &mut StdRng) -> Option<(Uuid, i64)> {
        recall(lock(&self.own).get(owner)?, rng)
    }
}

fn remember<T>(list: &mut VecDeque<T>, what: T, at_most: usize) {
    if list.len() == at_most {
        list.pop_front();
    }
    list.push_back(what);
}

fn recall<T: Clone>(list: &VecDeque<T>, rng: &mut StdRng) -> Option<T> {
    if list.is_empty() {
        return None;
    }
    list.get(rng.random_range(0..list.len())).cloned()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Clients at work; `stop` lets each finish what it began.
pub struct Load {
    world: Arc<World>,
    workers: JoinSet<()>,
}

impl Load {
    /// `client_of` makes a client for a subject.
    pub fn start(world: &Arc<World>, seed: u64, client_of: impl Fn(&str) -> Result<Client>) -> Result<Self> {
        let mut workers = JoinSet::new();
        let rng = |n: u64| StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(n));
        for n in 0..ITEM_WORKERS {
            let actor = Actor::new(world, client_of(&format!("writer-{}", n / SHARING))?, rng(n));
            workers.spawn(items::change_items(actor));
        }
        for n in 0..UPLOAD_WORKERS {
            let actor = Actor::new(world, client_of(&format!("uploader-{n}"))?, rng(100 + n));
            workers.spawn(uploads::upload_files(actor));
        }
        for n in 0..READERS {
            let actor = Actor::new(world, client_of(&format!("reader-{n}"))?, rng(200 + n));
            workers.spawn(reads::read(actor));
        }
        Ok(Self {
            world: Arc::clone(world),
            workers,
        })
    }

    pub async fn stop(mut self) -> Result<()> {
        self.world.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.workers.join_next().await {
            ended?;
        }
        Ok(())
    }
}

/// One worker: a client, chance of its own, and the common history.
pub struct Actor {
    world: Arc<World>,
    client: Client,
    rng: StdRng,
}

impl Actor {
    pub fn new(world: &Arc<World>, client: Client, rng: StdRng) -> Self {
        Self {
            world: Arc::clone(world),
            client,
            rng,
        }
    }

    fn begin(&self, kind: Kind) -> Operation {
        self.world.history.begin(kind, &self.client.subject)
    }

    /// Some clients give up after the first attempt: what they asked for stays unknown.
    fn attempts(&mut self) -> u32 {
        if self.chance(6) { 1 } else { PATIENT }
    }

    /// Once in `n` times.
    fn chance(&mut self, n: u32) -> bool {
        self.rng.random_range(0..n) == 0
    }

    async fn think(&mut self) {
        let pause = Duration::from_millis(self.rng.random_range(20..120));
        tokio::time::sleep(pause).await;
    }
}

fn new_key() -> String {
    Uuid::new_v4().to_string()
}
