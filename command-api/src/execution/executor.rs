//! How a command is run: once for its key, to its end, whether the client waits for it or not.

use depot_domain::CommandId;
use depot_retry::Bulkhead;
use depot_service::{
    problem::{Problem, types},
    shutdown::Shutdown,
};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::{
    alone::Alone,
    answer::Answer,
    group::{Group, GroupSettings},
    identity::Identity,
};
use crate::commands::{ItemAnswer, ItemCommand, UseCase, Writer};

/// What commands are run with.
#[derive(Debug, Clone, Copy)]
pub struct ExecutorSettings {
    /// Commands with a transaction of their own that are under way at once; what comes beyond is answered 503 at once.
    pub max_commands: usize,
    /// Those that share one.
    pub group: GroupSettings,
    /// How long answers are kept for repeats.
    pub idempotency_ttl_hours: i32,
}

impl ExecutorSettings {
    /// Places of the commands that [`run_together`](Executor::run_together) takes.
    pub fn places_together(&self) -> usize {
        match self.group.max_size {
            0 | 1 => self.max_commands,
            _ => self.group.max_commands,
        }
    }
}

/// Runs commands.
#[derive(Clone)]
pub struct Executor {
    alone: Alone,
    /// None where each command has a transaction of its own.
    group: Option<Group>,
    /// Owns the tasks of commands.
    tasks: TaskTracker,
    /// Commands wait for each other at the pool: how many, and so for how long.
    places: Bulkhead,
}

impl Executor {
    /// Commands that are under way when the public listener has ended are waited for, though nobody waits for their
    /// answers.
    pub fn new(writer: Writer, shutdown: &Shutdown, settings: ExecutorSettings) -> Self {
        let tasks = TaskTracker::new();
        let (under_way, stop) = (tasks.clone(), shutdown.last_token());
        shutdown.spawn_last("commands", async move {
            stop.cancelled().await;
            under_way.close();
            under_way.wait().await;
        });
        let alone = Alone {
            writer,
            ttl_hours: settings.idempotency_ttl_hours,
        };
        let is_shared = settings.group.max_size > 1;
        Self {
            group: is_shared.then(|| Group::start(alone.clone(), tasks.clone(), shutdown, settings.group)),
            alone,
            tasks,
            places: Bulkhead::new("commands", settings.max_commands),
        }
    }

    /// Runs a command in a task of its own: a client that goes away cancels nothing.
    ///
    /// # Errors
    /// Problems that are not kept under the key: 403, 409 and 422 of the key itself, 5xx.
    pub async fn run<U: UseCase>(
        &self,
        identity: Identity,
        use_case: U,
        render: impl Fn(U::Answer) -> Answer + Send + Sync + 'static,
    ) -> Result<Answer, Problem> {
        let place = self.places.enter().ok_or_else(Problem::overloaded)?;
        let (sender, receiver) = oneshot::channel();
        let alone = self.alone.clone();
        let work = async move {
            let answer = alone
                .run(CommandId::generate(), &identity, &use_case, &render)
                .await;
            // Given back by the work, not by who waits for it and may go away.
            drop(place);
            if sender.send(answer).is_err() {
                tracing::debug!("nobody waits for the answer any more");
            }
        };
        // Not a task of the process: a command that panics ends itself and nothing else.
        drop(self.tasks.spawn(work.in_current_span()));
        answer_of(receiver).await
    }

    /// Runs a command on an item, in one transaction with what else has arrived: a client that goes away cancels nothing.
    ///
    /// # Errors
    /// As of [`run`](Self::run).
    pub async fn run_together<C: ItemCommand>(
        &self,
        identity: Identity,
        command: C,
        render: impl Fn(ItemAnswer) -> Answer + Send + Sync + 'static,
    ) -> Result<Answer, Problem> {
        match &self.group {
            Some(group) => answer_of(group.enter(identity, command, render)?).await,
            None => self.run(identity, command, render).await,
        }
    }
}

async fn answer_of(receiver: oneshot::Receiver<Result<Answer, Problem>>) -> Result<Answer, Problem> {
    receiver.await.unwrap_or_else(|_| {
        tracing::error!(
            "a command ended without an answer: it panicked, or was dropped at the drain's deadline"
        );
        Err(Problem::of(&types::INTERNAL))
    })
}
