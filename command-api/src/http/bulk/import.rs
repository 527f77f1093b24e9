//! `POST /api/v1/items:import`.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    extract::State,
};
use depot_retry::Place;
use depot_service::{
    json::{self, NdJson},
    ndjson::{self, LineStream, LineWriter, Untaken},
    problem::Problem,
};
use http::{HeaderMap, header::EXPECT};
use serde::Serialize;
use tokio::time::timeout;
use tracing::Instrument as _;
use utoipa::ToSchema;

use super::{
    AT_ONCE, Bulk,
    line::{Lines as Commands, Terms},
    lines::Lines,
    outcome::OutcomeBody,
    pump::{Done, Ended, PumpLimits, pump},
};
use crate::http::{items::NewItemBody, problems, router::QueryAddress, write_request::WriteRequest};

/// How long what a client still sends is passed over after the last line: a connection that is closed upon bytes which nobody
/// read is reset, and what its client had not read yet goes with it.
const LINGER: Duration = Duration::from_secs(2);

/// A line of the answer: the outcome of a line, or, behind all of them, the end.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ImportLineBody {
    Outcome(OutcomeBody),
    End(ImportEndBody),
}

/// The last line.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportEndBody {
    /// True where every line that was sent has its outcome above.
    pub end: bool,
    /// Lines that have their outcome above.
    pub lines: u64,
    /// How many of them have their item.
    pub created: u64,
    /// Why there are no more, where `end` is false.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub problem: Option<Problem>,
}

/// Adds items, a line each, for as long as lines come; the caller owns them.
///
/// For each line of the body there is a line of the answer, in their order, written while the others are read: read it while you
/// send, since no more is taken than is read. Each line has an outcome of its own and a key of its own: the one that it names, or
/// one that is made of the request's key and the line's number. Blank lines are counted and have no outcome. The last line is
/// the end; without it, the answer broke off. Sent again under the same key, the same lines create nothing twice.
#[utoipa::path(
    post, path = "/api/v1/items:import", tag = "items",
    params(("Idempotency-Key" = String, Header, description = "New for each intent; makes a repeat safe")),
    request_body(content = NewItemBody, content_type = "application/x-ndjson", description = "An item a line; the schema is a line's"),
    responses(
        (status = 200, description = "A line for each line, and the end; the schema is a line's", body = ImportLineBody, content_type = "application/x-ndjson"),
        (status = 400, description = "No Idempotency-Key. Of one line, in its outcome: no JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The role writer is needed", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "In the last line: the client sent or read nothing for too long, or the body broke off", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Of one line, in its outcome: the first request with its key is under way", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "In the last line: the line behind those above is too long", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Another media type", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Of one line, in its outcome: invalid fields, or its key was used for another", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many requests; each line is one, and says so in its outcome", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "As many imports as are taken at once. Of one line, in its outcome: a backing service is away, or too much is asked at once. In the last line: the service stops", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn post(
    State(bulk): State<Bulk>,
    State(query): State<QueryAddress>,
    write: WriteRequest,
    headers: HeaderMap,
    body: Body,
) -> Result<LineStream, Problem> {
    write.require_key()?;
    json::check_media_type::<NdJson>(&headers)?;
    let place = bulk.imports.enter().ok_or_else(Problem::overloaded)?;
    let (out, answer) = ndjson::lines(bulk.settings.idle);
    let mut lines = Lines::new(body.into_data_stream(), bulk.settings.max_line_bytes);
    // Who asks whether to go on is told so when the body is read, if that is before the answer.
    if headers.contains_key(EXPECT) {
        let begun = timeout(bulk.settings.idle, lines.begin()).await;
        tracing::debug!(
            in_time = begun.is_ok(),
            "the client of an import was told to go on"
        );
    }
    let tasks = bulk.tasks.clone();
    let terms = Terms {
        until: None,
        stop: bulk.stop.clone(),
    };
    let import = Import {
        commands: Commands::new(bulk.clone(), query, write, terms),
        bulk,
        lines,
        out,
        place,
    };
    drop(tasks.spawn(import.run().in_current_span()));
    Ok(answer)
}

struct Import {
    bulk: Bulk,
    commands: Arc<Commands>,
    lines: Lines<BodyDataStream>,
    out: LineWriter,
    place: Place,
}

impl Import {
    async fn run(mut self) {
        let limits = PumpLimits {
            at_once: AT_ONCE,
            idle: self.bulk.settings.idle,
            stop: self.bulk.stop.clone(),
        };
        let commands = Arc::clone(&self.commands);
        let work = move |number, line: Vec<u8>| {
            let read = commands.read(number, &line);
            Arc::clone(&commands).outcome(read)
        };
        let (done, ended) = pump(&mut self.lines, &self.out, &limits, work).await;
        tracing::info!(
            import.lines = done.lines,
            import.created = done.created,
            import.ended = ?ended,
            "import ended"
        );
        let last = self.last(done, ended);
        // Before its client can know that it has ended.
        drop(self.place);
        match ended {
            // Nobody waits for who sends, or reads, nothing.
            Ended::Whole | Ended::Silent | Ended::Broken | Ended::Reader(_) => self.out.end(&[last]),
            Ended::TooLong(_) | Ended::Stopping => match self.out.write(&last).await {
                Ok(()) => {
                    let passed = timeout(LINGER, self.lines.pass_over()).await;
                    tracing::debug!(to_its_end = passed.is_ok(), "passed over the rest of an import");
                    self.out.close();
                }
                Err(_) => self.out.end(&[last]),
            },
        }
    }

    fn last(&self, done: Done, ended: Ended) -> ImportLineBody {
        ImportLineBody::End(ImportEndBody {
            end: ended == Ended::Whole,
            lines: done.lines,
            created: done.created,
            problem: self.problem(ended),
        })
    }

    fn problem(&self, ended: Ended) -> Option<Problem> {
        let seconds = self.bulk.settings.idle.as_secs();
        let incomplete =
            |detail: &str| Problem::of(&problems::IMPORT_INCOMPLETE).with_detail(detail.to_owned());
        Some(match ended {
            Ended::Whole => return None,
            Ended::TooLong(line) => {
                let limit = self.bulk.settings.max_line_bytes;
                Problem::of(&problems::LINE_TOO_LONG)
                    .with_detail(format!("Line {line} has more than {limit} bytes."))
                    .with_extension("line", line)
                    .with_extension("limit_bytes", limit)
            }
            Ended::Broken => incomplete("The body broke off."),
            Ended::Silent => incomplete(&format!("No whole line came for {seconds} seconds.")),
            Ended::Reader(Untaken::Slow) => incomplete(&format!("Nothing was read for {seconds} seconds.")),
            Ended::Reader(Untaken::Gone) => incomplete("Nobody reads."),
            Ended::Stopping => Problem::of(&problems::IMPORT_STOPPED).with_detail(
                "The service stops. Send the same lines again, under the same key: it creates nothing twice.",
            ),
        })
    }
}
