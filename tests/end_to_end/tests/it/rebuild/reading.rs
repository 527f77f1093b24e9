//! Readers that take no failure: every read is answered, by what was asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use depot_end_to_end::{Answer, Client, Depot};
use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use tokio::task::JoinSet;
use tonic::{Request, transport::Channel};

use crate::load::Acknowledged;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// An item in the version that its writer was told last.
    Version,
    /// The same over gRPC.
    Grpc,
    /// An item in whatever version.
    Item,
    History,
    /// The newest items.
    List,
    /// A page of a walk through all items, oldest first.
    Walk,
    Statistics,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Version,
        Self::Grpc,
        Self::Item,
        Self::History,
        Self::List,
        Self::Walk,
        Self::Statistics,
    ];
}

/// What came of all reads.
#[derive(Default)]
struct Seen {
    reads: BTreeMap<Kind, usize>,
    failures: Vec<String>,
}

/// What every reader has.
#[derive(Clone)]
struct Desk {
    client: Client,
    acknowledged: Arc<Acknowledged>,
    seen: Arc<Mutex<Seen>>,
    turn: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

pub struct Readers {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

/// How many reads of each kind there were.
pub struct Figures(BTreeMap<Kind, usize>);

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.0.values().sum();
        write!(f, "{all} reads, none failed: {:?}", self.0)
    }
}

impl Readers {
    /// One of each kind, all the time. Some items have to be there.
    pub async fn start(depot: &Depot, acknowledged: &Arc<Acknowledged>) -> Self {
        let desk = Desk {
            client: depot.client("reader", Role::Reader),
            acknowledged: Arc::clone(acknowledged),
            seen: Arc::default(),
            turn: Arc::default(),
            stop: Arc::default(),
        };
        let channel = Channel::from_shared(depot.grpc_url())
            .unwrap()
            .connect()
            .await
            .unwrap();
        let token = format!("Bearer {}", depot.token("reader", Role::Reader));
        let mut tasks = JoinSet::new();
        for kind in [
            Kind::Version,
            Kind::Item,
            Kind::History,
            Kind::List,
            Kind::Statistics,
        ] {
            tasks.spawn(desk.clone().ask(kind));
        }
        tasks.spawn(
            desk.clone()
                .ask_over_grpc(QueryServiceClient::new(channel), token),
        );
        tasks.spawn(desk.clone().walk());
        Self {
            seen: desk.seen,
            stop: desk.stop,
            tasks,
        }
    }

    /// Waits for so many more reads of each kind.
    pub async fn have_read(&self, count: usize) {
        let of = |kind| self.seen.lock().unwrap().reads.get(&kind).copied().unwrap_or(0);
        let wanted = Kind::ALL.map(|kind| (kind, of(kind) + count));
        wait_until("there were more reads of each kind", || {
            let are_there = wanted.iter().all(|(kind, wanted)| of(*kind) >= *wanted);
            // One that fails ends its reader.
            let has_failed = !self.seen.lock().unwrap().failures.is_empty();
            std::future::ready(are_there || has_failed)
        })
        .await;
        let failures = self.seen.lock().unwrap().failures.join("\n");
        assert!(failures.is_empty(), "reads have failed:\n{failures}");
    }

    /// # Panics
    /// If a read has failed.
    pub async fn stop(mut self) -> Figures {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a reader panicked");
        }
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        assert_eq!(seen.failures, Vec::<String>::new());
        Figures(seen.reads)
    }
}

impl Desk {
    /// One of the items after the other, with its newest version that its writer was told.
    fn pick(&self) -> (String, i64) {
        let items = self.acknowledged.items.lock().unwrap();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % items.len();
        let (id, (version, _)) = items.iter().nth(turn).unwrap();
        (id.clone(), *version)
    }

    /// Notes a read; false where it failed.
    fn note(&self, kind: Kind, failure: Option<String>) -> bool {
        let mut seen = self.seen.lock().unwrap();
        match failure {
            None => *seen.reads.entry(kind).or_default() += 1,
            Some(failure) => {
                seen.failures.push(format!("{kind:?}: {failure}"));
                return false;
            }
        }
        !self.stop.load(Ordering::SeqCst)
    }

    async fn get(&self, path: &str) -> Result<Answer, String> {
        // As long as a read may be waited for.
        let request = self.client.query(path).header("Prefer", "wait=30");
        match self.client.send(request).await {
            Ok(answer) if answer.status == 200 => Ok(answer),
            Ok(answer) => Err(format!("{path}: {answer:?}")),
            Err(error) => Err(format!("{path}: {error:#}")),
        }
    }

    async fn ask(self, kind: Kind) {
        loop {
            let (id, version) = self.pick();
            let (path, least) = match kind {
                Kind::Version => (format!("/api/v1/items/{id}?min_version={version}"), Some(version)),
                Kind::Item => (format!("/api/v1/items/{id}?min_version=1"), Some(1)),
                // It is asked for in this version too, and has to have it.
                Kind::History => (format!("/api/v1/items/{id}/history?min_version={version}"), None),
                Kind::List => ("/api/v1/items?sort=-created_at".to_owned(), None),
                _ => ("/api/v1/statistics".to_owned(), None),
            };
            let failure = match self.get(&path).await {
                Err(failure) => Some(failure),
                Ok(answer) => {
                    let body = answer.json();
                    let is_right = match kind {
                        Kind::Version | Kind::Item => body["version"].as_i64() >= least,
                        Kind::History => body["changes"][0]["version"].as_i64() >= Some(version),
                        Kind::List => body["items"].as_array().is_some_and(|items| !items.is_empty()),
                        _ => body["owners"].as_array().is_some_and(|owners| !owners.is_empty()),
                    };
                    (!is_right).then(|| format!("{path} is asked for version {version}: {body}"))
                }
            };
            if !self.note(kind, failure) {
                return;
            }
        }
    }

    async fn ask_over_grpc(self, mut client: QueryServiceClient<Channel>, token: String) {
        loop {
            let (id, version) = self.pick();
            let mut request = Request::new(v1::GetItemRequest {
                id: id.clone(),
                at_least: Some(v1::AtLeast {
                    min_version: version.to_string(),
                    wait: None,
                }),
            });
            request.set_timeout(Duration::from_secs(30));
            request
                .metadata_mut()
                .insert("authorization", token.parse().unwrap());
            let failure = match client.get_item(request).await {
                Err(status) => Some(format!("{id} in version {version}: {status}")),
                Ok(answer) => {
                    let item = answer.into_inner();
                    let is_right = item.version.parse::<i64>().is_ok_and(|shown| shown >= version);
                    (!is_right).then(|| format!("{id} in version {version}: {item:?}"))
                }
            };
            if !self.note(Kind::Grpc, failure) {
                return;
            }
        }
    }

    /// Walks through all items, again and again. What was shown when a walk began is in it once.
    async fn walk(self) {
        let mut known = BTreeSet::new();
        loop {
            let mut shown = Vec::new();
            let mut cursor = String::new();
            loop {
                let path = format!("/api/v1/items?sort=created_at&limit=40{cursor}");
                let page = match self.get(&path).await {
                    Ok(page) => page.json(),
                    Err(failure) => {
                        self.note(Kind::Walk, Some(failure));
                        return;
                    }
                };
                let items = page["items"].as_array().into_iter().flatten();
                shown.extend(items.filter_map(|item| Some(item["id"].as_str()?.to_owned())));
                // A walk that is begun is ended, since only whole ones say something.
                self.note(Kind::Walk, None);
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            let distinct: BTreeSet<String> = shown.iter().cloned().collect();
            let missing: Vec<_> = known.difference(&distinct).take(3).collect();
            if distinct.len() != shown.len() || !missing.is_empty() {
                let doubles = shown.len() - distinct.len();
                let failure = format!("{doubles} items twice in a walk, and missing: {missing:?}");
                self.note(Kind::Walk, Some(failure));
                return;
            }
            known = distinct;
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
        }
    }
}
