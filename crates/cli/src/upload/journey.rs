//! From a file to a stored upload, begun or gone on with.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Arguments, Outcome,
    api::{Api, Arrived, Signed},
    error::UploadError,
    progress::Progress,
    send::{PartsSent, Sending},
    source::Source,
    state::Memory,
};
use crate::interrupt::Interrupt;

/// How long the end is waited for: a large file is read and copied before.
const END: Duration = Duration::from_secs(1_800);

/// How the bytes of an upload are still to be sent.
enum Way {
    Whole(Signed),
    Parts(Arrived),
    /// They were received before.
    Received,
    /// By way of the API, which tells what is the matter.
    ThroughApi,
}

/// Takes the whole way; `known` is the upload's id as soon as there is one.
pub async fn travel(arguments: &Arguments, known: &mut Option<Uuid>) -> Result<Outcome, UploadError> {
    let interrupt = Interrupt::watch();
    let progress = Progress::new();
    let work = go(arguments, &progress, interrupt.token(), known);
    let done = interrupt.token().run_until_cancelled(Box::pin(work)).await;
    progress.clear();
    done.unwrap_or(Err(UploadError::Interrupted))
}

async fn go(
    arguments: &Arguments,
    progress: &Progress,
    interrupted: &CancellationToken,
    known: &mut Option<Uuid>,
) -> Result<Outcome, UploadError> {
    let api = Api::from_settings(interrupted.clone())?;
    let source = Source::read(&arguments.file, progress).await?;
    let sending = Sending {
        api: &api,
        source: &source,
        progress,
    };
    if let Some(id) = arguments.resume {
        *known = Some(id);
        let way = way_of_resumed(arguments, &api, id).await?;
        return bring_to_its_end(arguments, sending, id, way).await;
    }
    let body = announcement(arguments, &source)?;
    let memory = Memory::of(&api.command, &body);
    if arguments.new {
        memory.forget().await?;
    }
    loop {
        let (remembered, was_there) = memory.recall().await?;
        let announced = api.announce(remembered.idempotency_key, &body).await;
        let announced = match announced {
            // The key was used up by a refusal, of which the reason may have gone since.
            Err(error) if matches!(error, UploadError::Refused { .. }) => {
                memory.forget().await?;
                if was_there {
                    continue;
                }
                return Err(error);
            }
            announced => announced?,
        };
        *known = Some(announced.id);
        if was_there {
            progress.say("an upload of this file was begun before: going on with it");
        }
        let way = match (arguments.through_api, announced.whole) {
            (true, _) => Ok(Way::ThroughApi),
            (false, Some(signed)) => Ok(Way::Whole(signed)),
            (false, None) => way_in_parts(&api, announced.id).await,
        };
        let ended = match way {
            Ok(way) => bring_to_its_end(arguments, sending, announced.id, way).await,
            Err(error) => Err(error),
        };
        match ended {
            // What was begun before has ended since: a new one is begun.
            Err(error) if was_there && is_over(&error) => memory.forget().await?,
            Err(error) if !error.may_go_on() => {
                memory.forget().await?;
                if matches!(error, UploadError::File { .. } | UploadError::FileUnfit { .. }) {
                    // What cannot be given up now expires.
                    drop(api.abandon(announced.id).await);
                }
                return Err(error);
            }
            Err(error) => return Err(error),
            Ok(outcome) => {
                memory.forget().await?;
                return Ok(outcome);
            }
        }
    }
}

/// The same text for the same file and item, as an idempotency key wants it.
fn announcement(arguments: &Arguments, source: &Source) -> Result<String, UploadError> {
    let own_name = || {
        source
            .path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let name = arguments.name.clone().or_else(own_name);
    let name = name.ok_or_else(|| UploadError::FileUnfit {
        path: source.path.clone(),
        what: "has no name: give one by --name".to_owned(),
    })?;
    Ok(serde_json::json!({
        "item_id": arguments.item, "file_name": name, "content_type": arguments.content_type,
        "size_bytes": source.size_bytes, "sha256": source.sha256,
    })
    .to_string())
}

async fn way_in_parts(api: &Api, id: Uuid) -> Result<Way, UploadError> {
    let arrived = api.arrived(id).await?;
    Ok(match arrived.status.as_str() {
        "pending" => Way::Parts(arrived),
        _ => Way::Received,
    })
}

/// An upload that was announced elsewhere, perhaps. Only its own announcement has the URL of a file that is sent whole.
async fn way_of_resumed(arguments: &Arguments, api: &Api, id: Uuid) -> Result<Way, UploadError> {
    if arguments.through_api {
        return Ok(Way::ThroughApi);
    }
    match way_in_parts(api, id).await {
        Err(error) if error.is_problem("upload-not-in-parts") => Ok(Way::ThroughApi),
        way => way,
    }
}

async fn bring_to_its_end(
    arguments: &Arguments,
    sending: Sending<'_>,
    id: Uuid,
    way: Way,
) -> Result<Outcome, UploadError> {
    let parts = match way {
        Way::Whole(signed) => sending.whole(&signed).await.map(|()| PartsSent::default())?,
        Way::ThroughApi => {
            let sent = sending.through_api(id, &arguments.content_type).await;
            sent.map(|()| PartsSent::default())?
        }
        Way::Parts(arrived) => sending.parts(id, &arrived, arguments.parallel).await?,
        Way::Received => PartsSent::default(),
    };
    sending.source.require_unchanged().await?;
    let completed = sending.api.complete(id).await?;
    let (mut status, mut version) = (completed.status, completed.version);
    let end = Instant::now() + END;
    while status == "received" && !arguments.no_wait {
        sending
            .progress
            .begin("verifying", sending.source.size_bytes, sending.source.size_bytes);
        if Instant::now() > end {
            return Err(UploadError::Away {
                doing: "wait for the upload's end",
                source: format!(
                    "it was received, and is not stored after {} minutes",
                    END.as_secs() / 60
                )
                .into(),
            });
        }
        if let Some(standing) = sending.api.standing_at(id, version + 1).await? {
            (status, version) = (standing.status.clone(), standing.version);
            if status != "received" && status != "stored" {
                let reason = standing.reason;
                return Err(UploadError::Ended { id, status, reason });
            }
        }
    }
    Ok(Outcome {
        upload_id: id,
        item_id: arguments.item,
        status,
        size_bytes: sending.source.size_bytes,
        sha256: sending.source.sha256.clone(),
        parts_sent: parts.sent,
        parts_found: parts.found,
    })
}

/// The upload takes nothing any more, so that another one is needed.
fn is_over(error: &UploadError) -> bool {
    let over = ["upload-ended", "upload-takes-no-bytes", "upload-time-over"];
    let url_ended = matches!(error, UploadError::Refused { status: 403, problem, .. } if problem.is_empty());
    url_ended || over.iter().any(|name| error.is_problem(name))
}
