//! `GET /api/v1/stream`: the changes of items as server-sent events. The same streams as `WatchItems` has over gRPC: one
//! source, one number of places, one kind of token.

mod events;

use std::{collections::HashSet, sync::Arc};

use axum::{
    extract::{RawQuery, State},
    response::{
        IntoResponse as _, Response,
        sse::{KeepAlive, Sse},
    },
};
use depot_domain::ItemId;
use depot_service::{
    auth::{Door, Principal},
    problem::Problem,
};
use http::{HeaderMap, HeaderName, HeaderValue};

pub use events::{Goodbye, StreamedChange};

use super::{answer, parameters::Parameters};
use crate::queries::{
    InvalidResumeToken, MAX_WATCHED_IDS, Queries, QueryError, StreamDoor, WatchFilter, WatchRequest,
    parse_owner, parse_tag, watch_items,
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// nginx, and who took it over, would collect an answer before it passes any of it on.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The changes of items as they reach the view, without gap or double, as server-sent events.
///
/// The answer goes on until one side ends it. The first block says where the stream begins (`id`) and how long to wait
/// before connecting again (`retry`). Then each change is an event: `event` is the type, such as `depot.item.created.v1`,
/// `data` one line of JSON (`StreamedChange`), and `id` the place behind it. A block with nothing but an `id` moves the
/// place past changes that the filter left out. A comment, `: heartbeat`, comes where nothing was sent for 15 seconds.
///
/// A stream that is cut is resumed by sending the last `id` as `Last-Event-ID`: every later change comes, and comes once.
/// Resumed with another filter, it goes on by that one. The service's own ends are events too, whose `data` is a
/// `Goodbye`: `draining` (the process stops; connect again, to another), `dropped` (the reader did not keep up),
/// `expired` (the bearer token did; connect again with another), `failed` (`reason` is a type of problem). Events of other
/// names may come.
#[utoipa::path(
    get,
    path = "/api/v1/stream",
    tag = "items",
    params(
        ("id" = Option<Vec<String>>, Query, description = "Only changes of this item; repeat it for several, at most 100."),
        ("owner" = Option<String>, Query, description = "Only changes of items of this owner."),
        ("tag" = Option<String>, Query, description = "Only changes of items that have this tag after the change."),
        ("last_event_id" = Option<String>, Query, description = "As `Last-Event-ID`, for clients that cannot send headers; the header wins."),
        ("Last-Event-ID" = Option<String>, Header, description = "Go on behind the event with this `id`; from now on where nothing is said. A `resume_token` of `WatchItems` is one too."),
    ),
    responses(
        (status = 200, description = "Events, until one side ends the answer.", body = String, content_type = "text/event-stream"),
        (status = 400, description = "invalid-parameter", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "event-id-too-old, event-id-out-of-range", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "unavailable, overloaded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn open(
    State(queries): State<Arc<Queries>>,
    State(door): State<Arc<Door>>,
    principal: Principal,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (filter, parameter) = parse(query.as_deref())?;
    let resume_token = last_event_id(&headers)?.or(parameter);
    let request = WatchRequest {
        door: StreamDoor::Rest,
        filter,
        resume_token: resume_token.clone(),
        time_left: door.verifier().time_left(&principal),
    };
    let changes = watch_items(&queries, &principal, request).await?;
    let heartbeat = KeepAlive::new()
        .interval(queries.watches.limits().bookmark)
        .text("heartbeat");
    let events = Sse::new(events::of(changes, resume_token)).keep_alive(heartbeat);
    let mut response = answer::unkept(events.into_response());
    response
        .headers_mut()
        .insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

fn parse(query: Option<&str>) -> Result<(WatchFilter, Option<String>), Problem> {
    let mut parameters = Parameters::of(query);
    let ids = parameters.all("id", |text| {
        let id = text.parse::<ItemId>();
        id.map(|id| id.0)
            .map_err(|_| "is no UUID: expected 36 characters such as 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f")
    });
    if ids.len() > MAX_WATCHED_IDS {
        parameters.fault("id", "is given more than 100 times");
    }
    let owner = parameters.one("owner", parse_owner);
    let tag = parameters.one("tag", parse_tag);
    let last_event_id = parameters.one("last_event_id", |text| Ok(text.to_owned()));
    parameters.finish()?;
    let ids: HashSet<_> = ids.into_iter().collect();
    let last_event_id = last_event_id.filter(|id| !id.is_empty());
    Ok((WatchFilter { ids, owner, tag }, last_event_id))
}

/// An empty one is none: it is what the standard has clients begin with.
fn last_event_id(headers: &HeaderMap) -> Result<Option<String>, QueryError> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| InvalidResumeToken::Malformed)?;
    Ok(Some(text.to_owned()).filter(|id| !id.is_empty()))
}
