//! What a stream tells, as server-sent events: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::time::Duration;

use axum::response::sse::Event;
use depot_read_model::HistoryEntry;
use depot_service::problem::Problem;
use futures::{Stream, StreamExt as _};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    queries::{WatchEnd, WatchMessage},
    read::rows::HistoryRow,
};

/// After what time a client connects again whose stream ended.
const RETRY: Duration = Duration::from_secs(2);

/// One change of an item, as the data of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct StreamedChange {
    #[serde(flatten)]
    change: HistoryEntry,
    /// The version as it is written in an ETag and in `min_version`: `7`, or `1.7` (epoch, version) once the database was
    /// set back to an earlier point.
    version_token: String,
    /// True if this change deleted the item.
    deleted: bool,
}

/// Why a stream ended, as the data of its last event.
#[derive(Debug, Serialize, ToSchema)]
pub struct Goodbye {
    /// `stopping`, `slow_reader`, `token_expired`, or the name of a type of problem, such as `unavailable` or
    /// `event-id-too-old`.
    reason: String,
    /// What happened, and what to do.
    detail: String,
    /// Where to go on: the `id` of the last block before this one, or that which the stream was resumed from. Absent where
    /// there is neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_id: Option<String>,
}

/// The events of a stream that goes on behind `resumed_from`, up to the one that says why it ended.
pub(super) fn of(
    changes: impl Stream<Item = Result<WatchMessage, WatchEnd>> + Send + 'static,
    resumed_from: Option<String>,
) -> impl Stream<Item = Result<Event, axum::Error>> + Send + 'static {
    let (mut is_first, mut last) = (true, resumed_from);
    changes.map(move |message| {
        let event = match std::mem::take(&mut is_first) {
            true => Event::default().retry(RETRY),
            false => Event::default(),
        };
        match message {
            Ok(WatchMessage { resume_token, change }) => {
                let event = at(event, Some(&resume_token));
                last = Some(resume_token);
                match change {
                    Some(change) => told(event, change),
                    None => Ok(event),
                }
            }
            // An empty id would make the client forget the one that it has.
            Err(end) => goodbye(at(event, last.as_deref()), end, last.clone()),
        }
    })
}

/// Tokens are letters, digits, `-` and `_`: there is no end of a line in an id. One that a client sent was read as a token
/// before.
fn at(event: Event, id: Option<&str>) -> Event {
    match id {
        Some(id) => event.id(id),
        None => event,
    }
}

fn told(event: Event, row: HistoryRow) -> Result<Event, axum::Error> {
    let version_token = row.version().to_string();
    let deleted = row.item.deleted;
    let change = row.into_entry();
    // The consumers of events let no other type pass than those that they know, so it is one word.
    let event = event.event(&change.event_type);
    event.json_data(StreamedChange {
        change,
        version_token,
        deleted,
    })
}

fn goodbye(event: Event, end: WatchEnd, last_event_id: Option<String>) -> Result<Event, axum::Error> {
    let (name, reason, detail) = match end {
        WatchEnd::Stopping => (
            "draining",
            "stopping".to_owned(),
            "This process is stopping: connect again, and go on behind last_event_id.".to_owned(),
        ),
        WatchEnd::SlowReader => (
            "dropped",
            "slow_reader".to_owned(),
            "Events waited too long for their reader: connect again, and go on behind last_event_id."
                .to_owned(),
        ),
        WatchEnd::TokenExpired => (
            "expired",
            "token_expired".to_owned(),
            "The token has expired: connect again with another, and go on behind last_event_id.".to_owned(),
        ),
        WatchEnd::Failed(error) => {
            let problem = Problem::from(error);
            let reason = problem.type_uri.trim_start_matches("/problems/").to_owned();
            let detail = problem
                .detail
                .clone()
                .unwrap_or_else(|| problem.title.to_string());
            ("failed", reason, detail)
        }
    };
    event.event(name).json_data(Goodbye {
        reason,
        detail,
        last_event_id,
    })
}

#[cfg(test)]
mod tests {
    use axum::{
        body::to_bytes,
        response::{IntoResponse as _, sse::Sse},
    };
    use futures::stream;

    use super::*;
    use crate::queries::{InvalidResumeToken, QueryError};

    async fn written(
        messages: Vec<Result<WatchMessage, WatchEnd>>,
        resumed_from: Option<&str>,
    ) -> Vec<String> {
        let events = of(stream::iter(messages), resumed_from.map(str::to_owned));
        let body = Sse::new(events).into_response().into_body();
        let text = String::from_utf8(to_bytes(body, 65_536).await.unwrap().to_vec()).unwrap();
        text.split_terminator("\n\n").map(str::to_owned).collect()
    }

    fn moved(token: &str) -> Result<WatchMessage, WatchEnd> {
        Ok(WatchMessage {
            resume_token: token.to_owned(),
            change: None,
        })
    }

    #[tokio::test]
    async fn an_end_names_the_last_place_that_was_told() {
        let end = Err(WatchEnd::SlowReader);
        let blocks = written(vec![moved("a"), moved("b"), end], Some("before")).await;
        assert_eq!(blocks[..2], ["retry: 2000\nid: a", "id: b"]);
        assert!(
            blocks[2].starts_with("id: b\nevent: dropped\ndata: {\"reason\":\"slow_reader\""),
            "{blocks:?}"
        );
        assert!(blocks[2].ends_with("\"last_event_id\":\"b\"}"), "{blocks:?}");
        assert_eq!(blocks.len(), 3);
    }

    /// A client that was told an empty id would begin with now, behind a gap.
    #[tokio::test]
    async fn a_stream_that_ends_before_it_told_anything_leaves_the_client_where_it_was() {
        let blocks = written(vec![Err(WatchEnd::Stopping)], Some("before")).await;
        assert!(
            blocks[0].starts_with("retry: 2000\nid: before\nevent: draining\n"),
            "{blocks:?}"
        );
        let blocks = written(vec![Err(WatchEnd::Stopping)], None).await;
        assert!(
            blocks[0].starts_with("retry: 2000\nevent: draining\n"),
            "{blocks:?}"
        );
        assert!(!blocks[0].contains("last_event_id\":"), "{blocks:?}");
    }

    #[tokio::test]
    async fn a_failure_is_named_by_its_type_of_problem() {
        let error = QueryError::from(InvalidResumeToken::TooOld);
        let blocks = written(vec![moved("a"), Err(WatchEnd::Failed(error))], None).await;
        assert!(
            blocks[1].starts_with("id: a\nevent: failed\ndata: {\"reason\":\"event-id-too-old\""),
            "{blocks:?}"
        );
    }
}
