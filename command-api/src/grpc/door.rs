//! Who gives a command, under which key, and until when.

use std::time::Duration;

use depot_grpc::Call;
use depot_service::{
    auth::Role,
    problem::{FieldFault, Problem},
};
use prost::Message;
use tonic::{Request, Response, Status, metadata::MetadataValue};

use super::{CommandDesk, status};
use crate::{
    commands::Actor,
    execution::{self, Answer, Identity, answer::REPLAYED, idempotency, problems},
    store::idempotency::Key,
};

/// As the header of REST.
const REPLAYED_METADATA: &str = "idempotency-replayed";
/// What an answer needs to get back to the caller before its deadline.
const WAY_BACK: Duration = Duration::from_millis(100);

/// How long an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Time {
    limit: Duration,
    /// Whether it is the caller who waits no longer.
    is_callers: bool,
}

/// What every command brings besides its message. Needs the role `writer`.
pub struct Given {
    pub actor: Actor,
    /// Its path.
    method: &'static str,
    key: Option<String>,
    time: Time,
}

impl Given {
    /// Lets the caller in.
    ///
    /// # Errors
    /// UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED; INVALID_ARGUMENT for a key that is none; DEADLINE_EXCEEDED where
    /// there is no time left, so that nothing is begun of which nobody hears.
    pub async fn of<T: Sync>(
        desk: &CommandDesk,
        request: &Request<T>,
        method: &'static str,
    ) -> Result<Self, Status> {
        let call = Call::of(&desk.door, request).await?;
        let time = time(call.time_left(), desk.longest);
        if time.limit.is_zero() {
            return Err(status::too_late());
        }
        let read = || {
            call.principal.require(Role::Writer)?;
            Ok(Self {
                method,
                key: idempotency::key(request.metadata().as_ref())?,
                time,
                actor: execution::actor(call.principal)?,
            })
        };
        read().map_err(|problem: Problem| status::of(&problem, ""))
    }

    /// # Errors
    /// The problem `idempotency-key-missing`.
    pub fn require_key(&self) -> Result<(), Problem> {
        match self.key {
            Some(_) => Ok(()),
            None => Err(Problem::of(&problems::IDEMPOTENCY_KEY_MISSING)
                .with_detail("Send the metadata idempotency-key with a text that is new for each intent.")
                .with_errors([FieldFault::new("idempotency-key", "is not among the metadata")])),
        }
    }

    /// What names the call. A message is recognised by what it says, however it was encoded: its bytes are written anew.
    pub fn identity(&self, message: &impl Message) -> Identity {
        let bytes = message.encode_to_vec();
        let principal = self.actor.subject.as_str().to_owned();
        let key = self.key.clone().map(|key| Key {
            principal,
            route: format!("gRPC {}", self.method),
            key,
        });
        Identity {
            key,
            // The expected version is a part of the message.
            fingerprint: idempotency::fingerprint("gRPC", self.method, &[], &bytes),
            path: self.method.to_owned(),
        }
    }

    /// Waits for an answer that [`Answer::message`] made, or for a problem, whose pointers begin at the field `root`.
    ///
    /// # Errors
    /// The status of a problem, also of one that was kept; DEADLINE_EXCEEDED.
    pub async fn answered<M: Message + Default>(
        &self,
        answering: impl Future<Output = Result<Answer, Problem>>,
        root: &str,
    ) -> Result<Response<M>, Status> {
        let answer = self.in_time(answering, root).await?;
        let is_replayed = answer.header(&REPLAYED).is_some();
        let mut answered = match answer.status() {
            200..300 => match M::decode(answer.body()) {
                Ok(message) => Ok(Response::new(message)),
                Err(error) => Err(status::of(&Problem::internal(&error), root)),
            },
            _ => Err(status::of_answer(&answer, root)),
        };
        if is_replayed {
            let metadata = match &mut answered {
                Ok(response) => response.metadata_mut(),
                Err(status) => status.metadata_mut(),
            };
            metadata.insert(REPLAYED_METADATA, MetadataValue::from_static("true"));
        }
        answered
    }

    /// Waits as long as somebody waits for it.
    ///
    /// # Errors
    /// The status of the problem; DEADLINE_EXCEEDED.
    pub async fn in_time<T>(
        &self,
        working: impl Future<Output = Result<T, Problem>>,
        root: &str,
    ) -> Result<T, Status> {
        match tokio::time::timeout(self.time.limit, working).await {
            Ok(done) => done.map_err(|problem| status::of(&problem, root)),
            Err(_) if self.time.is_callers => Err(status::too_late()),
            Err(_) => Err(status::of(&Problem::timeout(), root)),
        }
    }
}

/// The answer is to come a little before the caller stops listening, so that it is heard; never later than `longest`.
fn time(left: Option<Duration>, longest: Duration) -> Time {
    let heard = left.map(|left| left.saturating_sub(WAY_BACK).max(left / 2));
    match heard.filter(|heard| *heard < longest) {
        Some(limit) => Time {
            limit,
            is_callers: true,
        },
        None => Time {
            limit: longest,
            is_callers: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_before_the_deadline_and_within_the_longest_time() {
        let longest = Duration::from_secs(15);
        let callers = |millis| Time {
            limit: Duration::from_millis(millis),
            is_callers: true,
        };
        let ours = Time {
            limit: longest,
            is_callers: false,
        };
        let of = |millis| time(Some(Duration::from_millis(millis)), longest);
        assert_eq!(time(None, longest), ours);
        assert_eq!(of(60_000), ours);
        assert_eq!(of(1_000), callers(900));
        assert_eq!(of(120), callers(60));
        assert_eq!(of(0), callers(0));
    }
}
