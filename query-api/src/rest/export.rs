//! `GET /api/v1/items:export`: all items of a list in one answer, written while it is read.
//!
//! Pages are read by keyset, as those of the list are, one when the one before was written: between them nothing is held of the
//! database. Since they go by the time of creation, an item that does not change meanwhile is there exactly once.

use std::{sync::Arc, time::Duration};

use axum::extract::{RawQuery, State};
use depot_read_model::ItemView;
use depot_retry::{Bulkhead, Delays, Place};
use depot_service::{
    auth::{Principal, Role},
    ndjson::{self, LineStream, LineWriter, Untaken},
    problem::Problem,
    telemetry::request_span,
};
use serde::Serialize;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{items::parse_filter, parameters::Parameters, problem};
use crate::{
    queries::{ItemPage, ListItems, PageLimit, Queries, QueryError, cursor_behind, list_items},
    read::{
        ReadError,
        item_pages::{ItemSort, SortKey},
    },
};

/// How long a page is tried again that the database did not answer.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LAST_DELAY: Duration = Duration::from_secs(1);
const PATH: &str = "/api/v1/items:export";

/// Bounds of exports.
#[derive(Debug, Clone, Copy)]
pub struct ExportLimits {
    /// Under way at once; what comes beyond is answered 503 at once. Each has a page in memory.
    pub max_exports: usize,
    /// How long a line may wait for its reader before the export is ended.
    pub slow_after: Duration,
}

impl Default for ExportLimits {
    fn default() -> Self {
        Self {
            max_exports: 8,
            slow_after: Duration::from_secs(30),
        }
    }
}

/// The exports of the process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Exports {
    places: Bulkhead,
    tasks: TaskTracker,
    stop: CancellationToken,
    limits: ExportLimits,
}

impl Exports {
    /// All end when `stop` is cancelled.
    pub fn new(limits: ExportLimits, stop: CancellationToken) -> Self {
        Self {
            places: Bulkhead::new("exports", limits.max_exports),
            tasks: TaskTracker::new(),
            stop,
            limits,
        }
    }

    /// Waits, after the stop, until every export has ended.
    pub async fn ended(self) {
        self.stop.cancelled().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// A line of an export.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ExportLine {
    Item(ItemView),
    After(ExportedTo),
    End(ExportEnd),
}

/// All items above are before this place.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportedTo {
    /// An export with this as `after`, and the same filter, goes on behind them.
    after: String,
}

/// The last line. An export without it broke off.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportEnd {
    /// True where there are no more items.
    end: bool,
    /// Items above.
    count: u64,
    /// Why there are no more lines, where `end` is false.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<Problem>,
}

/// All items that a list would show, in one answer, an item a line, the oldest first.
///
/// Now and then a line has `after`: an export that broke off is gone on with from the last of them. The last line has `end`:
/// true, or false and a problem. Read it as it comes: no more is read of the views than is taken. Exports follow the newest
/// state and take no `min_version`; an item that does not change meanwhile is there exactly once.
#[utoipa::path(
    get,
    path = "/api/v1/items:export",
    tag = "items",
    params(
        ("tag" = Option<Vec<String>>, Query, description = "Items that have it; repeat it for items that have all of several."),
        ("owner" = Option<String>, Query, description = "Items of this owner."),
        ("status" = Option<String>, Query, description = "`draft`, `active` or `archived`."),
        ("created_from" = Option<String>, Query, description = "RFC 3339, inclusive."),
        ("created_to" = Option<String>, Query, description = "RFC 3339, exclusive."),
        ("q" = Option<String>, Query, description = "Full text in name and description: words, \"phrases\", -exclusions, or."),
        ("after" = Option<String>, Query, description = "`after` of an earlier export with the same filter: go on behind it."),
    ),
    responses(
        (status = 200, description = "A line for each item, and the end; the schema is a line's.", body = ExportLine, content_type = "application/x-ndjson"),
        (status = 400, description = "invalid-parameter, invalid-cursor", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "unavailable, overloaded; in the last line also export-interrupted", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn export(
    State(queries): State<Arc<Queries>>,
    State(exports): State<Exports>,
    principal: Principal,
    RawQuery(query): RawQuery,
) -> Result<LineStream, Problem> {
    principal.require(Role::Reader)?;
    let list = parse_export(query.as_deref())?;
    let place = exports.places.enter().ok_or_else(Problem::overloaded)?;
    // Before the answer's head, so that what is wrong has a status.
    let first = list_items(&queries, &principal, &list).await?;
    let (out, answer) = ndjson::lines(exports.limits.slow_after);
    let export = Export {
        queries,
        principal,
        list,
        out,
        limits: exports.limits,
        done: Done::default(),
        place,
    };
    let run = export.run(first, exports.stop.clone());
    drop(exports.tasks.spawn(run.instrument(request_span())));
    Ok(answer)
}

fn parse_export(query: Option<&str>) -> Result<ListItems, Problem> {
    let mut parameters = Parameters::of(query);
    let filter = parse_filter(&mut parameters);
    let after = parameters.one("after", |text| Ok(text.to_owned()));
    parameters.finish()?;
    Ok(ListItems {
        filter,
        sort: ItemSort::CreatedAt,
        limit: PageLimit::WHOLE,
        cursor: after,
    })
}

/// What was written.
#[derive(Debug, Default)]
struct Done {
    count: u64,
    /// The last item, if its place was not written behind it.
    last: Option<(SortKey, Uuid)>,
}

/// Why there are no more lines, though there may be more items.
enum Broken {
    Stopping,
    Reader(Untaken),
    Failed(QueryError),
}

struct Export {
    queries: Arc<Queries>,
    principal: Principal,
    list: ListItems,
    out: LineWriter,
    limits: ExportLimits,
    done: Done,
    place: Place,
}

impl Export {
    async fn run(mut self, first: ItemPage, stop: CancellationToken) {
        let written = tokio::select! {
            biased;
            () = stop.cancelled() => Err(Broken::Stopping),
            written = self.pages(first) => written,
        };
        let problem = written.err().map(|broken| self.problem(&broken));
        tracing::info!(
            export.items = self.done.count,
            export.is_whole = problem.is_none(),
            "export ended"
        );
        let behind = self.done.last.take().filter(|_| problem.is_some());
        let after = behind.map(|(key, id)| {
            let after = cursor_behind(&self.queries, &self.list, &key, id);
            ExportLine::After(ExportedTo { after })
        });
        let end = ExportLine::End(ExportEnd {
            end: problem.is_none(),
            count: self.done.count,
            problem,
        });
        let last: Vec<_> = after.into_iter().chain([end]).collect();
        // Before its client can know that it has ended.
        drop(self.place);
        self.out.end(&last);
    }

    async fn pages(&mut self, mut page: ItemPage) -> Result<(), Broken> {
        loop {
            for item in page.items {
                let last = (self.list.sort.key_of(&item), item.id);
                let line = ExportLine::Item(item.into_view());
                self.out.write(&line).await.map_err(Broken::Reader)?;
                self.done.count += 1;
                self.done.last = Some(last);
            }
            let Some(after) = page.next_cursor else {
                return Ok(());
            };
            self.list.cursor = Some(after.clone());
            let line = ExportLine::After(ExportedTo { after });
            self.out.write(&line).await.map_err(Broken::Reader)?;
            self.done.last = None;
            page = self.page().await.map_err(Broken::Failed)?;
        }
    }

    /// The next page: asked for again for a while, where the database does not answer or has no place.
    async fn page(&self) -> Result<ItemPage, QueryError> {
        let mut delays = Delays::lasting(FIRST_DELAY, LAST_DELAY, PATIENCE);
        loop {
            let error = match list_items(&self.queries, &self.principal, &self.list).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            match delays.next_delay().filter(|_| passes(&error)) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(error),
            }
        }
    }

    fn problem(&self, broken: &Broken) -> Problem {
        let interrupted = |detail: String| Problem::of(&problem::EXPORT_INTERRUPTED).with_detail(detail);
        let problem = match broken {
            Broken::Stopping => interrupted("The service stops.".to_owned()),
            Broken::Reader(Untaken::Slow) => {
                let seconds = self.limits.slow_after.as_secs();
                interrupted(format!("Nothing was read for {seconds} seconds."))
            }
            Broken::Reader(Untaken::Gone) => interrupted("Nobody reads.".to_owned()),
            Broken::Failed(error) => Problem::from(error.clone()),
        };
        problem.with_instance(PATH)
    }
}

fn passes(error: &QueryError) -> bool {
    matches!(error, QueryError::Read(cause) if !matches!(**cause, ReadError::Representation { .. }))
}
