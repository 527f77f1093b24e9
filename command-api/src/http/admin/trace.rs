//! `GET /api/v1/admin/trace/{id}`: an item or an upload, as far as this service sees it.

use axum::{Json, extract::State};
use depot_outbox::{OutboxRow, Whereabouts, whereabouts};
use depot_saga::overview::{SagaRow, find};
use depot_schemas::trace::{Trace, TraceHop, TraceHopState, TracedKind};
use depot_service::{params::PathParams, problem::Problem};
use serde_json::Value;
use sqlx::PgConnection;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::{
    commands::CommandError,
    http::{error, router::Database},
    saga::{ITEM_DELETION_SAGA, SAGAS, UPLOAD_SAGA},
    store::{
        StoreError,
        dead_letters::{self, DeadLetter, Filter},
        trace::{self, State as Stored},
    },
};

/// Events and letters of one id that are told; there may be thousands.
const MOST: usize = 50;

/// Where an item or an upload is: its state, its events in the outbox, its saga, its dead letters, as command-api sees them. The
/// views are told of by the query API, under the same path.
#[utoipa::path(
    get, path = "/api/v1/admin/trace/{id}", tag = "admin",
    params(("id" = Uuid, Path, description = "Of an item or an upload")),
    responses(
        (status = 200, description = "Where it is", body = Trace),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing here has this id", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn show(
    State(database): State<Database>,
    PathParams(id): PathParams<Uuid>,
) -> Result<Json<Trace>, Problem> {
    let read = async {
        let conn = database.0.acquire().await;
        let mut conn = conn.map_err(StoreError::doing("follow an id"))?;
        look(&mut conn, id).await
    };
    let found = read
        .await
        .map_err(|error| error::problem(&CommandError::from(error)))?;
    let found = found.ok_or_else(|| Problem::not_found("No item and no upload has this id."))?;
    Ok(Json(found))
}

async fn look(conn: &mut PgConnection, id: Uuid) -> Result<Option<Trace>, StoreError> {
    let (kind, state) = match trace::item(conn, id).await? {
        Some(state) => (TracedKind::Item, state),
        None => match trace::upload(conn, id).await? {
            Some(state) => (TracedKind::Upload, state),
            None => return Ok(None),
        },
    };
    let outbox = whereabouts(conn, id)
        .await
        .map_err(StoreError::doing("look into the outbox"))?;
    let saga = match kind {
        TracedKind::Item => ITEM_DELETION_SAGA.name,
        TracedKind::Upload => UPLOAD_SAGA.name,
    };
    let saga = find(conn, saga, id)
        .await
        .map_err(StoreError::doing("read a saga"))?;
    let of_key = Filter {
        key: Some(id.to_string().into_bytes()),
        ..Filter::default()
    };
    let letters = dead_letters::page(conn, &of_key, None, MOST as i64).await?;
    let mut hops = vec![state_hop(&state), outbox_hop(&outbox)];
    hops.extend(outbox.rows.iter().take(MOST).map(event_hop));
    hops.extend(saga.as_ref().map(saga_hop));
    hops.extend(letters.iter().map(letter_hop));
    Ok(Some(Trace { id, kind, hops }))
}

fn state_hop(state: &Stored) -> TraceHop {
    let reason = state.reason.as_ref().map(|reason| format!(" ({reason})"));
    let (status, version) = (&state.status, state.version);
    let detail = format!("{status}{}, version {version}", reason.unwrap_or_default());
    TraceHop::new("state", "command-api", TraceHopState::Done, detail)
        .at(state.updated_at)
        .version(version)
        .fact("status", status.clone())
        .fact("reason", state.reason.clone())
}

fn outbox_hop(outbox: &Whereabouts) -> TraceHop {
    let waiting: Vec<&OutboxRow> = outbox.rows.iter().filter(|row| !row.is_let_go).collect();
    let (state, detail, since) = match (&outbox.parked, waiting.last()) {
        (Some(parked), _) if !parked.resume_requested => (
            TraceHopState::Stuck,
            format!("parked, since Kafka refused it: {}", parked.reason),
            Some(parked.parked_at),
        ),
        (Some(parked), _) => (
            TraceHopState::Waiting,
            format!("parked, and about to be resumed: {}", parked.reason),
            Some(parked.parked_at),
        ),
        (None, Some(oldest)) => (
            TraceHopState::Waiting,
            format!(
                "{} not published, from version {} on",
                waiting.len(),
                oldest.aggregate_version
            ),
            Some(oldest.occurred_at),
        ),
        (None, None) => (TraceHopState::Done, "nothing of it waits".to_owned(), None),
    };
    let holder = outbox.holder.as_ref().map(|holder| holder.instance.clone());
    let hop = TraceHop::new("outbox", "outbox", state, detail)
        .fact("rows_waiting", waiting.len())
        .fact("shard", outbox.shard)
        .fact("held_by", holder)
        .fact("is_parked", outbox.parked.is_some())
        .fact(
            "parked_reason",
            outbox.parked.as_ref().map(|parked| parked.reason.clone()),
        );
    TraceHop { at: since, ..hop }
}

fn event_hop(row: &OutboxRow) -> TraceHop {
    let (state, what) = match row.is_let_go {
        true => (TraceHopState::Done, "published"),
        false => (TraceHopState::Waiting, "not known to be published"),
    };
    let detail = format!("{} of version {}, {what}", row.event_type, row.aggregate_version);
    TraceHop::new("event", "outbox", state, detail)
        .at(row.occurred_at)
        .version(row.aggregate_version)
        .fact("event_id", row.event_id.to_string())
        .fact("event_type", row.event_type.clone())
        .fact("topic", row.topic.clone())
        .fact("is_published", row.is_let_go)
}

fn saga_hop(saga: &SagaRow) -> TraceHop {
    let declared = SAGAS.iter().find(|declared| declared.name == saga.saga);
    let step = declared.and_then(|declared| declared.step(&saga.step).ok());
    let state = match &*saga.state {
        "stuck" => TraceHopState::Stuck,
        "running" | "compensating" => TraceHopState::Waiting,
        _ => TraceHopState::Done,
    };
    let detail = format!("{} at {}", saga.state, saga.step);
    TraceHop::new("saga", "saga", state, detail)
        .at(saga.updated_at)
        .fact("saga", saga.saga.clone())
        .fact("saga_state", saga.state.clone())
        .fact("step", saga.step.clone())
        .fact("meaning", step.map(|step| step.what))
        .fact("deadline", saga.deadline.map_or(Value::Null, text))
        .fact("attempts", saga.attempts)
        .fact("started_at", text(saga.started_at))
}

fn letter_hop(letter: &DeadLetter) -> TraceHop {
    let state = match &*letter.state {
        "open" => TraceHopState::Stuck,
        "redriving" => TraceHopState::Waiting,
        _ => TraceHopState::Done,
    };
    let detail = format!("{}: {}: {}", letter.consumer_group, letter.reason, letter.detail);
    TraceHop::new("dead_letter", "dead-letters", state, detail)
        .at(letter.failed_at)
        .fact("group", letter.consumer_group.clone())
        .fact("topic", letter.topic.clone())
        .fact("partition", letter.partition)
        .fact("offset", letter.offset)
        .fact("reason", letter.reason.clone())
        .fact("attempts", letter.attempts)
        .fact("letter_state", letter.state.clone())
}

fn text(at: OffsetDateTime) -> Value {
    at.format(&Rfc3339).map_or(Value::Null, Value::String)
}
