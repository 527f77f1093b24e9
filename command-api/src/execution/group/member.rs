use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use depot_domain::{Item, ItemId};
use depot_retry::Place;
use depot_service::problem::Problem;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Span;

use super::super::{alone::Alone, answer::Answer, error, identity::Identity};
use crate::commands::{Actor, Cause, CommandError, ItemAnswer, ItemCommand, ItemWrite, Moment};

/// A command that waits for its transaction.
pub(super) struct Member {
    pub cause: Cause,
    pub identity: Identity,
    pub span: Span,
    pub reply: oneshot::Sender<Result<Answer, Problem>>,
    command: Box<dyn Command>,
    place: Place,
    /// The process does not end before it is answered.
    _under_way: TaskTrackerToken,
}

/// What a command comes to.
pub(super) struct Decided {
    pub answer: Answer,
    /// None if it was refused.
    pub write: Option<(Item, ItemWrite)>,
}

impl Member {
    pub fn new<C: ItemCommand>(
        cause: Cause,
        identity: Identity,
        (command, render): (C, impl Fn(ItemAnswer) -> Answer + Send + Sync + 'static),
        (place, under_way): (Place, TaskTrackerToken),
        reply: oneshot::Sender<Result<Answer, Problem>>,
    ) -> Self {
        Self {
            cause,
            identity,
            span: Span::current(),
            reply,
            command: Box::new(Rendered { command, render }),
            place,
            _under_way: under_way,
        }
    }

    pub fn target(&self) -> Option<ItemId> {
        self.command.target()
    }

    pub fn actor(&self) -> &Actor {
        self.command.actor()
    }

    /// What it comes to; none if it is to be run alone, where it fails for itself.
    pub fn decide(&self, item: Option<Item>, moment: &Moment) -> Option<Decided> {
        let decide = || match self.command.decide(item, moment) {
            Ok(decided) => Some(decided),
            Err(CommandError::Refused(refusal)) => Some(Decided {
                answer: Answer::problem(error::refusal(&refusal), &self.identity.path),
                write: None,
            }),
            Err(_) => None,
        };
        // What panics must not take the others with it.
        let decided = self.span.in_scope(|| catch_unwind(AssertUnwindSafe(decide)));
        decided.unwrap_or_default()
    }

    /// In a transaction of its own, to its end.
    pub async fn run_alone(self, alone: Alone) {
        let answer = self
            .command
            .alone(&alone, self.cause.clone(), &self.identity)
            .await;
        self.answer(answer);
    }

    /// Gives its place back, and tells who waits.
    pub fn answer(self, answer: Result<Answer, Problem>) {
        drop(self.place);
        if self.reply.send(answer).is_err() {
            tracing::debug!("nobody waits for the answer any more");
        }
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

/// A command of any kind, and how its answer is shown.
trait Command: Send + Sync {
    fn target(&self) -> Option<ItemId>;

    fn actor(&self) -> &Actor;

    fn decide(&self, item: Option<Item>, moment: &Moment) -> Result<Decided, CommandError>;

    fn alone<'a>(
        &'a self,
        alone: &'a Alone,
        cause: Cause,
        identity: &'a Identity,
    ) -> BoxFuture<'a, Result<Answer, Problem>>;
}

struct Rendered<C, R> {
    command: C,
    render: R,
}

impl<C: ItemCommand, R: Fn(ItemAnswer) -> Answer + Send + Sync> Command for Rendered<C, R> {
    fn target(&self) -> Option<ItemId> {
        self.command.target()
    }

    fn actor(&self) -> &Actor {
        self.command.actor()
    }

    fn decide(&self, item: Option<Item>, moment: &Moment) -> Result<Decided, CommandError> {
        let (answer, write) = self.command.decide(item, moment)?;
        let item = answer.item.clone();
        Ok(Decided {
            answer: (self.render)(answer),
            write: Some((item, write)),
        })
    }

    fn alone<'a>(
        &'a self,
        alone: &'a Alone,
        cause: Cause,
        identity: &'a Identity,
    ) -> BoxFuture<'a, Result<Answer, Problem>> {
        Box::pin(async move {
            alone
                .run(cause.command, identity, &self.command, &self.render)
                .await
        })
    }
}
