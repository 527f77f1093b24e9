//! Commands that arrive together share a transaction, and each keeps its own outcome.
//!
//! A group is what gathered while the groups before it were in flight: nobody waits for a clock. In a group there is at most
//! one command for each key and each item. What is another's (a key that is there, an item that is locked) is left out and
//! run alone, and so are all of them where the transaction failed. Nobody is answered before the commit has returned.

mod member;
mod spans;
mod transaction;

use std::{collections::HashSet, sync::Arc};

use depot_domain::CommandId;
use depot_retry::Bulkhead;
use depot_service::{
    problem::{Problem, chain},
    shutdown::Shutdown,
};
use metrics::{Histogram, Unit, counter, describe_counter, describe_histogram, histogram};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use super::{
    alone::{ATTEMPT, Alone},
    answer::Answer,
    error,
    identity::Identity,
};
use crate::{
    commands::{Cause, CommandError, ItemAnswer, ItemCommand},
    store::{Nature, StoreError},
};
use member::Member;

const SIZE: &str = "depot_command_group_size";
const ALONE: &str = "depot_command_group_left_total";

/// How commands are grouped.
#[derive(Debug, Clone, Copy)]
pub struct GroupSettings {
    /// The most commands of one transaction; 1 gives each its own.
    pub max_size: usize,
    /// Transactions that are in flight at once.
    pub lanes: usize,
    /// Commands that wait or are in flight; what comes beyond is answered 503 at once.
    pub max_commands: usize,
}

/// Where commands gather. Cheap to clone.
#[derive(Clone)]
pub(super) struct Group {
    queue: mpsc::Sender<Member>,
    places: Bulkhead,
    tasks: TaskTracker,
}

/// Takes what has gathered.
struct Gatherer {
    alone: Alone,
    tasks: TaskTracker,
    settings: GroupSettings,
    size: Histogram,
}

impl Group {
    pub fn start(alone: Alone, tasks: TaskTracker, shutdown: &Shutdown, settings: GroupSettings) -> Self {
        describe_histogram!(SIZE, Unit::Count, "Commands that shared a transaction");
        describe_counter!(
            ALONE,
            Unit::Count,
            "Commands that were left out of a group and run alone"
        );
        for reason in ["failed", "met", "taken"] {
            counter!(ALONE, "reason" => reason).increment(0);
        }
        let (queue, waiting) = mpsc::channel(settings.max_commands.max(1));
        let gatherer = Gatherer {
            alone,
            tasks: tasks.clone(),
            settings,
            size: histogram!(SIZE),
        };
        shutdown.spawn_last("command groups", gatherer.run(waiting, shutdown.last_token()));
        Self {
            queue,
            places: Bulkhead::new("grouped commands", settings.max_commands),
            tasks,
        }
    }

    /// Has a command wait for its transaction.
    ///
    /// # Errors
    /// 503 if too many do.
    pub fn enter<C: ItemCommand>(
        &self,
        identity: Identity,
        command: C,
        render: impl Fn(ItemAnswer) -> Answer + Send + Sync + 'static,
    ) -> Result<oneshot::Receiver<Result<Answer, Problem>>, Problem> {
        let place = self.places.enter().ok_or_else(Problem::overloaded)?;
        let (reply, receiver) = oneshot::channel();
        let cause = Cause::here(CommandId::generate());
        let held = (place, self.tasks.token());
        let member = Member::new(cause, identity, (command, render), held, reply);
        // There is a slot for each place; it is closed only when the process ends.
        self.queue.try_send(member).map_err(|_| Problem::overloaded())?;
        Ok(receiver)
    }
}

impl Gatherer {
    async fn run(self, mut waiting: mpsc::Receiver<Member>, stop: CancellationToken) {
        let gatherer = Arc::new(self);
        let lanes = Arc::new(Semaphore::new(gatherer.settings.lanes.max(1)));
        loop {
            // First the lane, then the commands: they gather while it is waited for.
            let Ok(lane) = Arc::clone(&lanes).acquire_owned().await else {
                return;
            };
            let mut gathered = Vec::new();
            tokio::select! {
                biased;
                count = waiting.recv_many(&mut gathered, gatherer.settings.max_size.max(1)) => {
                    if count == 0 { return; }
                }
                () = stop.cancelled() => return,
            }
            let working = Arc::clone(&gatherer);
            drop(gatherer.tasks.spawn(async move {
                working.carry_out(gathered).await;
                drop(lane);
            }));
        }
    }

    async fn carry_out(&self, gathered: Vec<Member>) {
        let (together, apart) = without_meetings(gathered);
        self.size.record(together.len() as f64);
        let done = timeout(
            ATTEMPT,
            transaction::run(&self.alone.writer, self.alone.ttl_hours, &together),
        );
        let done = done
            .await
            .unwrap_or_else(|_| Err(StoreError::Silent(ATTEMPT).into()));
        match done {
            Ok(answers) => {
                for (member, answer) in together.into_iter().zip(answers) {
                    match answer {
                        Some(answer) => member.answer(Ok(answer)),
                        None => self.run_alone(member, "taken"),
                    }
                }
            }
            Err(error) => self.fail(together, &error),
        }
        for member in apart {
            self.run_alone(member, "met");
        }
    }

    /// Where the database is away, the commit may have come to it, and there is nobody to ask now.
    fn fail(&self, together: Vec<Member>, error: &CommandError) {
        if error.nature() == Some(Nature::Away) {
            let problem = error::problem(error);
            for member in together {
                member.answer(Err(problem.clone()));
            }
            return;
        }
        tracing::debug!(
            error = chain(error),
            "a group of commands failed: each is run alone"
        );
        for member in together {
            self.run_alone(member, "failed");
        }
    }

    fn run_alone(&self, member: Member, reason: &'static str) {
        counter!(ALONE, "reason" => reason).increment(1);
        let span = member.span.clone();
        drop(
            self.tasks
                .spawn(member.run_alone(self.alone.clone()).instrument(span)),
        );
    }
}

/// Those that can share a transaction, and those that would meet one of them at a key or an item.
fn without_meetings(gathered: Vec<Member>) -> (Vec<Member>, Vec<Member>) {
    let (mut keys, mut items) = (HashSet::new(), HashSet::new());
    gathered.into_iter().partition(|member| {
        let key = member.identity.key.clone();
        let meets_at_key = key.as_ref().is_some_and(|key| keys.contains(key));
        let meets_at_item = member.target().is_some_and(|id| items.contains(&id));
        if meets_at_key || meets_at_item {
            return false;
        }
        keys.extend(key);
        items.extend(member.target());
        true
    })
}
