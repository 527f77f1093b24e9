//! The task that listens to all processes: twice a second while somebody looks, else only as often as the series need it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use depot_schemas::topics::Topics;
use futures::future::join_all;
use time::OffsetDateTime;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    addresses::{AdminAddresses, Lookup},
    instance::{self, Heard},
    picture::{DeadLetters, Picture, SagaCount, StageEvent, StageName, StagePicture, StageState},
    series::{Ring, STEP},
    stage::{Crew, Groups, Judged, World},
    stages,
    stores::Stores,
};

/// Between the begin of two rounds while somebody looks.
const PACE: Duration = Duration::from_millis(500);
/// Somebody looks, who asked no longer ago than this.
const LOOKED: Duration = Duration::from_secs(15);
/// A picture that is older is not shown if a newer one can be had.
const YOUNG: Duration = Duration::from_millis(1_200);
/// How long a newer one is waited for.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// An address that no name stands for any more, and that is silent, is forgotten after so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15);
/// Changes of a stage's state that are kept.
const EVENTS: usize = 20;

/// The picture. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pipeline {
    inner: Arc<Shared>,
    shown: watch::Receiver<Option<Shown>>,
}

#[derive(Debug)]
struct Shared {
    answered_by: String,
    series: Mutex<Ring>,
    asked: Mutex<Option<Instant>>,
    wake: Notify,
}

/// A round's outcome.
#[derive(Debug, Clone)]
struct Shown {
    begun: Instant,
    at: OffsetDateTime,
    stages: Arc<[StagePicture]>,
    letters: Arc<[DeadLetters]>,
    sagas: Arc<[SagaCount]>,
}

impl Pipeline {
    /// The picture, and the task that keeps it until cancelled.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn watch(
        addresses: AdminAddresses,
        stores: Stores,
        topics: &Topics,
        answered_by: String,
        stop: CancellationToken,
    ) -> Result<(Self, impl Future<Output = ()> + Send + use<>), reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let (tell, shown) = watch::channel(None);
        let inner = Arc::new(Shared {
            answered_by,
            series: Mutex::default(),
            asked: Mutex::default(),
            wake: Notify::new(),
        });
        let watcher = Watcher {
            client,
            stores,
            groups: Groups {
                projector: topics.group("projector"),
                saga: topics.group("saga"),
            },
            services: [
                addresses.command_api,
                addresses.projector,
                addresses.uploader,
                addresses.query_api,
            ]
            .map(|urls| Service {
                lookup: Lookup::new(urls),
                heard: Vec::new(),
            }),
            histories: BTreeMap::new(),
            shared: Arc::clone(&inner),
            tell,
        };
        Ok((Self { inner, shown }, watcher.run(stop)))
    }

    /// The picture of this moment, with the points after a moment, or all; none before the first round.
    pub async fn picture(&self, since: Option<OffsetDateTime>) -> Option<Picture> {
        *lock(&self.inner.asked) = Some(Instant::now());
        self.inner.wake.notify_one();
        let young_from = Instant::now().checked_sub(YOUNG);
        let mut shown = self.shown.clone();
        let is_young = |shown: &Option<Shown>| {
            let begun = shown.as_ref().map(|shown| shown.begun);
            begun.is_some() && begun >= young_from
        };
        // What is not young says by its time how old it is.
        let _young = timeout(PATIENCE, shown.wait_for(is_young)).await.is_ok();
        let shown = self.shown.borrow().clone()?;
        Some(Picture {
            at: shown.at,
            answered_by: self.inner.answered_by.clone(),
            stages: shown.stages.to_vec(),
            dead_letters: shown.letters.to_vec(),
            sagas: shown.sagas.to_vec(),
            series: lock(&self.inner.series).since(since),
        })
    }
}

/// The processes of one service.
#[derive(Debug)]
struct Service {
    lookup: Lookup,
    heard: Vec<Heard>,
}

/// What a stage was before.
#[derive(Debug)]
struct History {
    state: StageState,
    since: OffsetDateTime,
    events: VecDeque<StageEvent>,
}

struct Watcher {
    client: reqwest::Client,
    stores: Stores,
    groups: Groups,
    /// command-api, projector, uploader, query-api.
    services: [Service; 4],
    histories: BTreeMap<StageName, History>,
    shared: Arc<Shared>,
    tell: watch::Sender<Option<Shown>>,
}

impl Watcher {
    async fn run(mut self, stop: CancellationToken) {
        let mut sampled: Option<Instant> = None;
        loop {
            let begun = Instant::now();
            let is_due = sampled.is_none_or(|at| at.elapsed() + PACE / 2 >= STEP);
            if stop.run_until_cancelled(self.round(is_due)).await.is_none() {
                return;
            }
            if is_due {
                sampled = Some(begun);
            }
            let pausing = async {
                if self.somebody_looks() {
                    sleep(PACE.saturating_sub(begun.elapsed())).await;
                } else {
                    let rest = sleep(STEP.saturating_sub(begun.elapsed()));
                    tokio::select! {
                        () = rest => {}
                        () = self.shared.wake.notified() => {}
                    }
                }
            };
            if stop.run_until_cancelled(pausing).await.is_none() {
                return;
            }
        }
    }

    fn somebody_looks(&self) -> bool {
        lock(&self.shared.asked).is_some_and(|asked| asked.elapsed() < LOOKED)
    }

    /// Asks everybody once, and tells what follows.
    async fn round(&mut self, is_sample: bool) {
        let begun = Instant::now();
        let stores = self.stores.clone();
        let listening = join_all(
            self.services
                .iter_mut()
                .map(|service| service.listen(&self.client)),
        );
        let (answers, _) = tokio::join!(stores.ask(), listening);
        let (now, at) = (Instant::now(), OffsetDateTime::now_utc());
        let names: Vec<String> = self
            .services
            .iter()
            .map(|service| service.lookup.named())
            .collect();
        let crew = |index: usize| Crew {
            now,
            named: &names[index],
            all: &self.services[index].heard,
        };
        let world = World {
            command_api: crew(0),
            projector: crew(1),
            uploader: crew(2),
            query_api: crew(3),
            stores: &answers,
            groups: &self.groups,
        };
        let (letters, sagas) = (stages::dead_letters(&world), stages::sagas(&world));
        let judged = stages::judge(&world);
        if is_sample {
            let point = stages::point(&judged, &letters, &sagas);
            lock(&self.shared.series).push(at, point);
        }
        let stages = judged
            .into_iter()
            .map(|judged| remember(&mut self.histories, judged, at))
            .collect();
        self.tell.send_replace(Some(Shown {
            begun,
            at,
            stages,
            letters: letters.into(),
            sagas: sagas.into(),
        }));
    }
}

impl Service {
    /// Asks each address once.
    async fn listen(&mut self, client: &reqwest::Client) {
        let now = Instant::now();
        let named = self.lookup.addresses().await.to_vec();
        for address in &named {
            if !self.heard.iter().any(|heard| heard.address == *address) {
                self.heard.push(Heard::new(*address, now));
            }
        }
        for heard in &mut self.heard {
            heard.unnamed_since = match named.contains(&heard.address) {
                true => None,
                false => heard.unnamed_since.or(Some(now)),
            };
        }
        self.heard.retain(|heard| {
            let unnamed = heard.unnamed_since;
            let is_gone = unnamed.is_some_and(|since| now - since > FORGOTTEN_AFTER);
            !(is_gone && heard.is_silent(now))
        });
        let asking = self.heard.iter_mut().map(|heard| async move {
            let answer = instance::ask(client, heard.address).await;
            heard.note(answer, Instant::now(), OffsetDateTime::now_utc());
        });
        join_all(asking).await;
    }
}

/// Says since when a stage is in its state, and how it came there.
fn remember(
    histories: &mut BTreeMap<StageName, History>,
    judged: Judged,
    at: OffsetDateTime,
) -> StagePicture {
    let (state, reason) = judged.verdict;
    let history = histories.entry(judged.name).or_insert_with(|| History {
        state,
        since: at,
        events: VecDeque::new(),
    });
    if history.state != state {
        (history.state, history.since) = (state, at);
        history.events.truncate(EVENTS - 1);
        history.events.push_front(StageEvent {
            at,
            state,
            reason: reason.clone(),
        });
    }
    StagePicture {
        name: judged.name,
        title: judged.title,
        state,
        reason,
        since: history.since,
        source: judged.source,
        instances: judged.instances,
        figures: judged.figures,
        settings: judged.settings,
        events: history.events.iter().cloned().collect(),
    }
}

/// What they hold stays whole when a holder panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
