use std::time::{Duration, Instant};

use depot_schemas::projections::{Comparison, GivenUpEvent, ProjectionList, ProjectionStatus, Registered};
use serde::Serialize;
use tokio::time::sleep;

use super::{Outcome, Projector, api::is_behind, checksum, progress::Progress, status::stands_before};
use crate::admin_client::AdminError;

const LOOK: Duration = Duration::from_millis(500);
/// A projector that is away for longer is not waited for: the building goes on without us, and so does the next call.
const AWAY: Duration = Duration::from_secs(60);
/// Nor is one that stands before the same event for so long, whatever other partitions do: somebody has to look at it. The
/// version that serves may be just about to give that event up.
const STANDS: Duration = Duration::from_secs(30);
/// It has caught up when no partition is behind by more: about a batch.
const NEAR: i64 = 500;
const COMPARISONS: u32 = 5;

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Rebuilt {
    #[serde(flatten)]
    registered: Registered,
    /// Applied while we looked on, and how many that were in a second.
    events: u64,
    seconds: f64,
    events_per_second: f64,
    /// None where it does not come that far.
    comparison: Option<Comparison>,
    /// As it was last.
    status: ProjectionStatus,
}

pub async fn run(skip_poison: bool) -> Result<Outcome<Rebuilt>, AdminError> {
    let projector = Projector::from_settings()?;
    let registered = projector.register(skip_poison).await?;
    let projection = registered.projection;
    let mut progress = Progress::new(format!("building {projection}"), "events");
    let ended = follow(&projector, projection, &mut progress).await;
    progress.clear();
    let (status, has_caught_up) = ended?;
    let (events, time) = progress.done_since_begin(done(&status));
    let comparison = match has_caught_up {
        true => Some(compare(&projector, projection, &progress).await?),
        false => None,
    };
    let is_complete = comparison.as_ref().is_some_and(|found| found.differences == 0);
    let seconds = time.as_secs_f64();
    let answer = Rebuilt {
        registered,
        events,
        seconds,
        events_per_second: events as f64 / seconds.max(0.001),
        comparison,
        status,
    };
    Ok(Outcome { answer, is_complete })
}

/// Looks on until it has caught up, or does not come any further; answers its status, and which of the two.
async fn follow(
    projector: &Projector,
    projection: i32,
    progress: &mut Progress,
) -> Result<(ProjectionStatus, bool), AdminError> {
    let mut stands: Option<(GivenUpEvent, Instant)> = None;
    loop {
        let list = list_patiently(projector).await?;
        let Some((status, serving)) = both(list, projection) else {
            sleep(LOOK).await;
            continue;
        };
        progress.show(done(&status), u64::try_from(status.total()).unwrap_or(0));
        let is_near = status.behind(&serving).is_some_and(|behind| behind <= NEAR);
        if is_near && status.stands_before.is_empty() {
            return Ok((status, true));
        }
        stands = match (status.stands_before.first(), stands) {
            (Some(now), Some((before, since))) if *now == before => Some((before, since)),
            (now, _) => now.map(|event| (event.clone(), Instant::now())),
        };
        let has_stood = stands
            .as_ref()
            .is_some_and(|(_, since)| since.elapsed() >= STANDS);
        // Somebody may drop it meanwhile.
        if has_stood || !status.state.is_fed() {
            return Ok((status, false));
        }
        sleep(LOOK).await;
    }
}

fn done(status: &ProjectionStatus) -> u64 {
    u64::try_from(status.total() - status.lag()).unwrap_or(0)
}

/// The version, and the one that serves.
fn both(list: ProjectionList, projection: i32) -> Option<(ProjectionStatus, ProjectionStatus)> {
    let find = |wanted| {
        let mut all = list.projections.iter();
        all.find(|status| status.projection == wanted).cloned()
    };
    Some((find(projection)?, find(list.serving)?))
}

/// A projector may be restarted meanwhile.
async fn list_patiently(projector: &Projector) -> Result<ProjectionList, AdminError> {
    let began = Instant::now();
    loop {
        match projector.list(false).await {
            Err(error) if may_pass(&error) && began.elapsed() < AWAY => sleep(LOOK).await,
            outcome => return outcome,
        }
    }
}

fn may_pass(error: &AdminError) -> bool {
    match error {
        AdminError::Away { .. } => true,
        AdminError::Refused { status, .. } => status.is_server_error(),
        AdminError::Settings(_) | AdminError::Answer { .. } => false,
    }
}

async fn compare(
    projector: &Projector,
    projection: i32,
    progress: &Progress,
) -> Result<Comparison, AdminError> {
    progress.say("it has caught up; comparing");
    let mut attempt = 1;
    loop {
        match projector.compare(projection).await {
            Err(error) if is_behind(&error) && attempt < COMPARISONS => attempt += 1,
            outcome => return outcome,
        }
        sleep(LOOK).await;
    }
}

pub fn text(rebuilt: &Rebuilt) -> String {
    let projection = rebuilt.registered.projection;
    let mut text = format!(
        "projection {projection}: {} events in {:.1} s, {:.0} a second\n",
        rebuilt.events, rebuilt.seconds, rebuilt.events_per_second
    );
    match &rebuilt.comparison {
        Some(comparison) => {
            text.push_str(&checksum::text(comparison));
            text.push_str(&match comparison.differences {
                0 => format!(
                    "every row is as in {}: `depot projection switch {projection}`\n",
                    comparison.serving
                ),
                _ => format!(
                    "if they are to differ: `depot projection switch {projection} --accept-differences`\n"
                ),
            });
        }
        None if !rebuilt.status.state.is_fed() => {
            text.push_str(&format!(
                "it is {}: nobody feeds it any more\n",
                rebuilt.status.state
            ));
        }
        None => {
            text.push_str(&stands_before(&rebuilt.status));
            text.push_str(
                "the version that serves has applied what this one cannot: `depot projection rebuild` goes on when that is \
                 mended, and with --skip-poison without these events\n",
            );
        }
    }
    text
}
