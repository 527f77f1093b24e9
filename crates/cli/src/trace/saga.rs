//! Where the process manager stands.

use depot_read_model::EntityKind;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    database::Database,
    hop::{Hop, HopState, Seen, Wait},
    moment,
};

/// A saga's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaRow {
    /// `upload` or `item_deletion`.
    pub saga: String,
    /// `running`, `compensating`, `completed`, `compensated` or `stuck`.
    pub state: String,
    pub step: String,
    pub deadline: Option<OffsetDateTime>,
    /// How often the step has asked again.
    pub attempts: i32,
    pub updated_at: OffsetDateTime,
}

impl SagaRow {
    pub fn is_under_way(&self) -> bool {
        matches!(&*self.state, "running" | "compensating")
    }
}

/// The saga of an upload, or of an item's deletion.
fn name_of(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Item => "item_deletion",
        EntityKind::Upload => "upload",
    }
}

pub async fn look(db: &mut Database, kind: EntityKind, id: Uuid) -> Seen<Option<SagaRow>> {
    db.ask("read the saga", async |conn| {
        sqlx::query_as!(
            SagaRow,
            "SELECT saga, state, step, deadline, attempts, updated_at FROM command.sagas
             WHERE saga = $1 AND saga_id = $2",
            name_of(kind),
            id
        )
        .fetch_optional(conn)
        .await
    })
    .await
}

pub fn hop(kind: EntityKind, id: Uuid, saga: &Seen<Option<SagaRow>>, now: OffsetDateTime) -> Hop {
    let name = format!("saga {}", name_of(kind));
    let saga = match saga {
        Err(why) => return Hop::unseen(name, why),
        Ok(None) => return Hop::new(name, HopState::NotReached, "none"),
        Ok(Some(saga)) => saga,
    };
    let (state, step) = (&*saga.state, &*saga.step);
    let deadline = saga.deadline.map(|at| moment::with_age(at, now));
    let asked = match saga.attempts {
        0 => String::new(),
        attempts => format!(", asked again {attempts} times"),
    };
    let due = deadline.as_ref().map(|at| format!(", deadline {at}"));
    let detail = format!("{state} at {step}{asked}{}", due.unwrap_or_default());
    let hop_state = match state {
        "stuck" => HopState::Here,
        _ if saga.is_under_way() => HopState::Waiting,
        _ => HopState::Done,
    };
    let hop = Hop::new(name, hop_state, detail)
        .since(saga.updated_at)
        .figure("saga_state", state)
        .figure("step", step)
        .figure("deadline", saga.deadline.map(moment::text))
        .figure("attempts", saga.attempts);
    match hop_state {
        HopState::Done => hop,
        _ => hop.waits(wait(saga, id, &deadline.unwrap_or_default())),
    }
}

fn wait(saga: &SagaRow, id: Uuid, deadline: &str) -> Wait {
    let (name, step) = (&*saga.saga, &*saga.step);
    if saga.state == "stuck" {
        return Wait {
            is_stuck: true,
            place: format!("in the saga {name} at {step}"),
            reason: format!("it asked {} times and had no answer", saga.attempts),
            advice: format!("see what keeps the answer, then depot saga resume {name} {id}"),
        };
    }
    let (place, reason, advice) = match step {
        "awaiting_bytes" => (
            "at the client",
            format!(
                "waits for the client to send the bytes and complete the upload; expires at its deadline, {deadline}"
            ),
            "nothing has to be done here",
        ),
        "awaiting_file" => (
            "at the uploader",
            format!("waits for the uploader to verify and store the file; asks again at {deadline}"),
            "see that the uploader runs, and that object store and scanner answer it",
        ),
        "removing" => (
            "at the uploader",
            format!("waits for the uploader to let go of the file; asks again at {deadline}"),
            "see that the uploader runs, and that the object store answers it",
        ),
        _ => (
            "in its saga",
            format!("waits at {step}; asks again at {deadline}"),
            "see that a command-api runs with SAGA_ENABLED",
        ),
    };
    Wait {
        is_stuck: false,
        place: place.to_owned(),
        reason,
        advice: advice.to_owned(),
    }
}
