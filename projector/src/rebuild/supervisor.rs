//! Feeds the versions of the views that are to be fed: looks at the list all the time, begins with what is new on it, and ends
//! what has gone.

use depot_service::database::Pool;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use depot_consumer::{ConsumerError, ConsumerHandle};
use depot_service::{metrics::count_error, problem::chain};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    pipeline::Pipelines,
    registry::{self, Fed},
};

/// Between looks at the list.
const LOOK: Duration = Duration::from_secs(1);
/// For one look.
const LIMIT: Duration = Duration::from_secs(5);
/// After a version that does not serve has failed, before it is fed again.
const REST: Duration = Duration::from_secs(10);

/// What is fed at the moment, for readiness. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Feeding {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// None before the first look; empty where the one that serves is of another shape, and other programs feed it.
    serving: Option<Option<i32>>,
    fed: BTreeMap<i32, ConsumerHandle>,
}

impl Feeding {
    /// Whether the version that serves is fed, as far as this process has a share in it. Others keep nobody waiting.
    ///
    /// # Errors
    /// What is waited for.
    pub(crate) fn check(&self) -> Result<(), String> {
        let state = self.state();
        let serving = state
            .serving
            .ok_or("it is not known yet which views are to be fed")?;
        let Some(projection) = serving else { return Ok(()) };
        let Some(handle) = state.fed.get(&projection) else {
            return Err(format!("projection {projection} is not fed yet"));
        };
        let waiting = handle.status().waiting_for();
        match waiting.is_empty() {
            true => Ok(()),
            false => Err(waiting.join("; ")),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the feeding of one version ended.
type End = (i32, Result<(), ConsumerError>);

/// The task that feeds them.
pub(crate) struct Supervisor {
    pool: Pool,
    pipelines: Pipelines,
    feeding: Feeding,
    /// Each ends one.
    running: BTreeMap<i32, CancellationToken>,
    ends: JoinSet<End>,
    resting: BTreeMap<i32, Instant>,
}

impl Supervisor {
    pub(crate) fn new(pool: Pool, pipelines: Pipelines, feeding: Feeding) -> Self {
        Self {
            pool,
            pipelines,
            feeding,
            running: BTreeMap::new(),
            ends: JoinSet::new(),
            resting: BTreeMap::new(),
        }
    }

    /// Feeds until `stop` is cancelled, and ends with all that it has begun.
    ///
    /// # Errors
    /// What has ended the one that serves.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), ConsumerError> {
        let mut failure = None;
        while failure.is_none() {
            match stop.run_until_cancelled(self.look(&stop)).await {
                None => break,
                Some(Err(error)) => failure = Some(error),
                Some(Ok(())) => tokio::select! {
                    () = stop.cancelled() => break,
                    Some(ended) = self.ends.join_next() => failure = self.note_end(ended),
                    () = sleep(LOOK) => {}
                },
            }
        }
        self.running.values().for_each(CancellationToken::cancel);
        while let Some(ended) = self.ends.join_next().await {
            failure = failure.or(self.note_end(ended));
        }
        failure.map_or(Ok(()), Err)
    }

    /// Goes by the list; while that cannot be read, what is fed goes on being fed.
    async fn look(&mut self, stop: &CancellationToken) -> Result<(), ConsumerError> {
        let listed = match timeout(LIMIT, registry::fed(&self.pool)).await {
            Ok(Ok(listed)) => listed,
            Ok(Err(error)) => {
                self.note_blindness(&chain(&error));
                return Ok(());
            }
            Err(_) => {
                self.note_blindness("Postgres does not answer in time");
                return Ok(());
            }
        };
        for (projection, stop) in &self.running {
            if !listed.iter().any(|fed| fed.projection == *projection) && !stop.is_cancelled() {
                tracing::info!(projection, "a version of the views is not fed any more");
                stop.cancel();
            }
        }
        let serving = listed.iter().find(|fed| fed.serves).map(|fed| fed.projection);
        self.feeding.state().serving = Some(serving);
        self.resting.retain(|_, until| *until > Instant::now());
        for fed in listed {
            if !self.running.contains_key(&fed.projection) && !self.resting.contains_key(&fed.projection) {
                self.begin(fed, stop)?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, fed: Fed, stop: &CancellationToken) -> Result<(), ConsumerError> {
        let Fed { projection, serves } = fed;
        let stop = stop.child_token();
        let pipeline = self.pipelines.start(projection, stop.clone())?;
        tracing::info!(projection, serves, "a version of the views is fed");
        self.feeding.state().fed.insert(projection, pipeline.handle());
        self.running.insert(projection, stop);
        self.ends
            .spawn(async move { (projection, pipeline.ended().await) });
        Ok(())
    }

    /// Answers the error that ends the process: of the one that serves. Another one rests, and is fed again.
    fn note_end(&mut self, ended: Result<End, JoinError>) -> Option<ConsumerError> {
        let (projection, ended) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                return Some(ConsumerError::Internal {
                    group: "projector".to_owned(),
                    message: format!("what feeds a version of the views has panicked: {error}"),
                });
            }
        };
        self.running.remove(&projection);
        let mut state = self.feeding.state();
        state.fed.remove(&projection);
        let error = ended.err()?;
        if state.serving.flatten() == Some(projection) {
            return Some(error);
        }
        drop(state);
        count_error("projector", "rebuild");
        tracing::error!(
            error = chain(&error),
            projection,
            "a version of the views that does not serve is fed again in a while"
        );
        self.resting.insert(projection, Instant::now() + REST);
        None
    }

    fn note_blindness(&self, reason: &str) {
        count_error("projector", "projections");
        tracing::warn!(
            reason,
            "the list of versions of the views cannot be read; what is fed goes on"
        );
    }
}
