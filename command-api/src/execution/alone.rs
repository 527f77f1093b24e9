//! A command in a transaction of its own, with its key and its answer.

use std::time::Duration;

use depot_domain::CommandId;
use depot_retry::Delays;
use depot_sabotage::Break;
use depot_service::problem::Problem;

use super::{answer::Answer, error, identity::Identity, problems};
use crate::{
    commands::{CommandError, UnitOfWork, UseCase, Writer},
    store::{
        self, Nature, StoreError,
        idempotency::{KeptAnswer, Key},
        transaction::{KEY_LOCK_TIMEOUT, ROW_LOCK_TIMEOUT},
    },
};

/// How long contention is worked against before the client is asked to come back: no attempt begins after that.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one attempt may take: a database that is stopped, or a network that swallows, ends no statement. Longer than
/// the waits for all locks of a command and its slowest statement; shorter than a request may take.
pub(super) const ATTEMPT: Duration = Duration::from_secs(12);

/// Runs commands one by one. Cheap to clone.
#[derive(Clone)]
pub(super) struct Alone {
    pub writer: Writer,
    /// How long answers are kept for repeats.
    pub ttl_hours: i32,
}

/// What the key of a request says.
enum NextAction {
    /// It is new: the row is ours, the command is to be run.
    Execute,
    /// It was answered: the same again.
    Replay(KeptAnswer),
    /// It was used for another request.
    Reused,
    /// Its first request is still under way.
    InProgress,
    /// Its row went while it was being looked at.
    Again,
}

/// What an attempt came to.
enum Outcome {
    Answered(Answer),
    Refused(Problem),
    Again,
}

impl Alone {
    /// Once for its key, to its end: again and again while others are in the way.
    ///
    /// # Errors
    /// Problems that are not kept under the key: 403, 409 and 422 of the key itself, 5xx.
    pub async fn run<U: UseCase>(
        &self,
        command: CommandId,
        identity: &Identity,
        use_case: &U,
        render: &(impl Fn(U::Answer) -> Answer + Sync),
    ) -> Result<Answer, Problem> {
        let mut delays = Delays::lasting(Duration::from_millis(5), Duration::from_millis(200), PATIENCE);
        loop {
            let attempt = self.attempt(command, identity, use_case, render);
            let attempt = tokio::time::timeout(ATTEMPT, attempt).await;
            let failed = match attempt.unwrap_or_else(|_| Err(StoreError::Silent(ATTEMPT).into())) {
                Ok(Outcome::Answered(answer)) => return Ok(answer),
                Ok(Outcome::Refused(problem)) => return Err(problem),
                Ok(Outcome::Again) => None,
                Err(error) => Some(error),
            };
            let passing = failed
                .as_ref()
                .is_none_or(|error| matches!(error.nature(), Some(Nature::Contention | Nature::LockTimeout)));
            match (delays.next_delay().filter(|_| passing), failed) {
                (Some(delay), _) => tokio::time::sleep(delay).await,
                (None, Some(error)) => return Err(error::problem(&error)),
                (None, None) => return Err(in_progress()),
            }
        }
    }

    async fn attempt<U: UseCase>(
        &self,
        command: CommandId,
        identity: &Identity,
        use_case: &U,
        render: &(impl Fn(U::Answer) -> Answer + Sync),
    ) -> Result<Outcome, CommandError> {
        let key = identity.key.as_ref();
        let Some(key) = key.filter(|_| !depot_sabotage::has(Break::Duplicated)) else {
            let mut unit = self.writer.begin(command, ROW_LOCK_TIMEOUT).await?;
            return match execute(&mut unit, identity, use_case, render).await {
                Ok((answer, true)) => unit.commit().await.map(|()| Outcome::Answered(answer)),
                Ok((answer, false)) => {
                    unit.roll_back().await;
                    Ok(Outcome::Answered(answer))
                }
                Err(error) => abandon(unit, error).await,
            };
        };
        let mut unit = self.writer.begin(command, KEY_LOCK_TIMEOUT).await?;
        let next = match self.claim(&mut unit, key, &identity.fingerprint).await {
            Ok(next) => next,
            Err(error) => return abandon(unit, error).await,
        };
        count(&next);
        match next {
            NextAction::Execute => {
                let answer = match execute_or_undo(&mut unit, identity, use_case, render).await {
                    Ok(answer) => answer,
                    Err(error) => return abandon(unit, error).await,
                };
                let (status, headers) = (answer.status(), answer.headers());
                store::idempotency::keep_answer(unit.conn(), key, status, headers, answer.body()).await?;
                match depot_sabotage::hits(Break::Lost, key.key.as_bytes()) {
                    true => unit.roll_back().await,
                    false => unit.commit().await?,
                }
                Ok(Outcome::Answered(answer))
            }
            NextAction::Replay(kept) => {
                let authorized = use_case.authorize(unit.conn()).await;
                unit.roll_back().await;
                authorized.map(|()| Outcome::Answered(Answer::replay(kept)))
            }
            NextAction::Reused => {
                unit.roll_back().await;
                let detail =
                    "Use a new Idempotency-Key: this one belongs to a request that differs from this one.";
                let problem = Problem::of(&problems::IDEMPOTENCY_KEY_REUSED).with_detail(detail);
                Ok(Outcome::Refused(problem))
            }
            NextAction::InProgress => {
                unit.roll_back().await;
                Ok(Outcome::Refused(in_progress()))
            }
            NextAction::Again => {
                unit.roll_back().await;
                Ok(Outcome::Again)
            }
        }
    }

    /// Inserts the key's row, or finds out what is there. Only a lock that is not had *here* means that the first
    /// request is under way.
    async fn claim(
        &self,
        unit: &mut UnitOfWork,
        key: &Key,
        fingerprint: &[u8],
    ) -> Result<NextAction, CommandError> {
        let conn = unit.conn();
        match store::idempotency::insert(conn, key, fingerprint, self.ttl_hours).await {
            Ok(true) => return Ok(NextAction::Execute),
            Ok(false) => {}
            Err(error) if error.nature() == Nature::LockTimeout => return Ok(NextAction::InProgress),
            Err(error) => return Err(error.into()),
        }
        let Some(kept) = store::idempotency::find(conn, key).await? else {
            return Ok(NextAction::Again);
        };
        if !kept.expired {
            let same = kept.fingerprint == fingerprint;
            return Ok(if same {
                NextAction::Replay(kept)
            } else {
                NextAction::Reused
            });
        }
        match store::idempotency::replace_expired(conn, key, fingerprint, self.ttl_hours).await {
            Ok(true) => {
                store::transaction::set_lock_timeout(conn, ROW_LOCK_TIMEOUT).await?;
                Ok(NextAction::Execute)
            }
            Ok(false) => Ok(NextAction::Again),
            Err(error) if error.nature() == Nature::LockTimeout => Ok(NextAction::InProgress),
            Err(error) => Err(error.into()),
        }
    }
}

/// As [`execute`], in a transaction that has written the key: of a command that is refused nothing but that stays.
async fn execute_or_undo<U: UseCase>(
    unit: &mut UnitOfWork,
    identity: &Identity,
    use_case: &U,
    render: &(impl Fn(U::Answer) -> Answer + Sync),
) -> Result<Answer, CommandError> {
    unit.mark().await?;
    let (answer, is_done) = execute(unit, identity, use_case, render).await?;
    if !is_done {
        unit.undo().await?;
    }
    Ok(answer)
}

/// Runs the use case, and renders what it answers or refuses. True if it was done.
async fn execute<U: UseCase>(
    unit: &mut UnitOfWork,
    identity: &Identity,
    use_case: &U,
    render: &(impl Fn(U::Answer) -> Answer + Sync),
) -> Result<(Answer, bool), CommandError> {
    match use_case.execute(unit).await {
        Ok(answer) => Ok((render(answer), true)),
        Err(CommandError::Refused(refusal)) => {
            Ok((Answer::problem(error::refusal(&refusal), &identity.path), false))
        }
        Err(error) => Err(error),
    }
}

async fn abandon(unit: UnitOfWork, error: CommandError) -> Result<Outcome, CommandError> {
    unit.roll_back().await;
    Err(error)
}

fn in_progress() -> Problem {
    Problem::of(&problems::REQUEST_IN_PROGRESS)
        .with_detail("The first request with this Idempotency-Key has not ended yet.")
        .with_retry_after(1)
}

fn count(next: &NextAction) {
    let outcome = match next {
        NextAction::Execute => "executed",
        NextAction::Replay(_) => "replayed",
        NextAction::Reused => "reused",
        NextAction::InProgress => "in_progress",
        NextAction::Again => "again",
    };
    metrics::counter!("depot_idempotency_keys_total", "outcome" => outcome).increment(1);
}
