//! What clients are told of what commands refuse, and of what goes wrong.

use depot_domain::{FieldError, InvalidId, VersionToken};
use depot_service::problem::{FieldFault, Problem};
use http::{HeaderValue, header::ETAG};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;

use super::problems;
use crate::{
    commands::{CommandError, Refusal},
    multipart::{BeginError, SignError},
    store::{Nature, StoreError},
};

/// A refusal as a problem.
pub fn refusal(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::ItemNotFound(id) => {
            Problem::of(&problems::ITEM_NOT_FOUND).with_detail(format!("There is no item {id}."))
        }
        Refusal::ItemDeleted { id, version } => {
            let problem = Problem::of(&problems::ITEM_DELETED).with_detail(format!("Item {id} is deleted."));
            with_version(problem, *version)
        }
        Refusal::TooManyFiles { item, limit } => Problem::of(&problems::TOO_MANY_FILES)
            .with_detail(format!("Item {item} has {limit} files."))
            .with_extension("limit", *limit),
        Refusal::UploadNotFound(id) => {
            Problem::of(&problems::UPLOAD_NOT_FOUND).with_detail(format!("There is no upload {id}."))
        }
        Refusal::UploadEnded { id, status, version } => {
            let problem = Problem::of(&problems::UPLOAD_ENDED)
                .with_detail(format!("Upload {id} has ended: it is {status}."))
                .with_extension("upload_status", status.as_str());
            with_version(problem, *version)
        }
        Refusal::TakesNoBytes { id, status, version } => {
            let problem = Problem::of(&problems::UPLOAD_TAKES_NO_BYTES)
                .with_detail(format!("Upload {id} takes no bytes any more: it is {status}."))
                .with_extension("upload_status", status.as_str());
            with_version(problem, *version)
        }
        Refusal::TimeOver { id, expired_at } => {
            let at = expired_at.format(&Rfc3339).unwrap_or_default();
            Problem::of(&problems::UPLOAD_TIME_OVER)
                .with_detail(format!("The bytes of upload {id} were to be sent until {at}."))
                .with_extension("expired_at", at)
        }
        Refusal::SentWhole(id) => Problem::of(&problems::UPLOAD_NOT_IN_PARTS).with_detail(format!(
            "Upload {id} is sent whole, by the one request that its announcement answered."
        )),
        Refusal::Stale { current } => {
            let problem = Problem::of(&problems::PRECONDITION_FAILED)
                .with_detail(format!("The current version is {current}."));
            with_version(problem, *current)
        }
        Refusal::QuotaExceeded(quota) => Problem::of(&problems::QUOTA_EXCEEDED)
            .with_detail(format!(
                "The upload needs {} bytes, and {} of {} are left.",
                quota.requested_bytes, quota.available_bytes, quota.limit_bytes
            ))
            .with_extension("requested_bytes", quota.requested_bytes)
            .with_extension("available_bytes", quota.available_bytes)
            .with_extension("limit_bytes", quota.limit_bytes)
            .with_extension("used_bytes", quota.used_bytes)
            .with_extension("reserved_bytes", quota.reserved_bytes),
        Refusal::DeclaredNotFound { name, id } => {
            Problem::of(&problems::AGGREGATE_NOT_FOUND).with_detail(format!("There is no {name} {id}."))
        }
        Refusal::DeclaredNotNow { why, version } => {
            let problem = Problem::of(&problems::NOT_NOW).with_detail(why.as_str());
            with_version(problem, *version)
        }
        Refusal::NotParked(id) => Problem::of(&problems::AGGREGATE_NOT_PARKED)
            .with_detail(format!("No event of aggregate {id} waits to be resumed.")),
        Refusal::NoDeadLetter => Problem::of(&problems::DEAD_LETTER_NOT_FOUND)
            .with_detail("No group has given up a message of this topic, partition and offset."),
        Refusal::DeadLetterNotOpen { state } => Problem::of(&problems::DEAD_LETTER_NOT_OPEN)
            .with_detail(format!("The dead letter is {state}."))
            .with_extension("state", state.as_str()),
        Refusal::NoRetryTopic { group, topic } => Problem::of(&problems::NO_RETRY_TOPIC).with_detail(
            format!("Group {group} has no retry topic for messages of {topic}."),
        ),
        Refusal::SagaNotFound { saga, saga_id } => Problem::of(&problems::SAGA_NOT_FOUND)
            .with_detail(format!("There is no saga `{saga}` of {saga_id}.")),
        Refusal::SagaNotStuck { saga, saga_id } => Problem::of(&problems::SAGA_NOT_STUCK)
            .with_detail(format!("Saga `{saga}` of {saga_id} is not stuck.")),
        Refusal::Invalid(errors) => Problem::validation_failed(faults(errors.clone())),
    }
}

fn with_version(problem: Problem, version: VersionToken) -> Problem {
    let problem = problem.with_extension("version", version.version);
    match HeaderValue::from_str(&version.etag()) {
        Ok(etag) => problem.with_header(ETAG, etag),
        Err(_) => problem,
    }
}

/// Everything else that a command may answer, as a problem. Logs what is a fault of ours.
pub fn problem(error: &CommandError) -> Problem {
    match error {
        CommandError::Refused(refused) => refusal(refused),
        CommandError::Forbidden => Problem::forbidden("Only the owner or an admin may do this."),
        CommandError::Store(_) | CommandError::Saga(_) | CommandError::Append(_) => match error.nature() {
            Some(Nature::Contention | Nature::LockTimeout) => {
                Problem::of(&problems::BUSY).with_retry_after(1)
            }
            _ if matches!(error, CommandError::Store(StoreError::PassedBy)) => {
                Problem::known_unavailable("The database")
            }
            Some(Nature::Away) => Problem::unavailable("The database", error),
            Some(Nature::Unfit | Nature::Fault) | None => Problem::internal(error),
        },
    }
}

/// What a client is told of a fault of the object store.
pub fn store_problem(error: &depot_object_store::StoreError) -> Problem {
    match error {
        depot_object_store::StoreError::Transient { .. } => Problem::unavailable("The object store", error),
        _ => Problem::internal(error),
    }
}

/// Why parts are not signed, as a problem.
pub fn unsigned(error: &SignError) -> Problem {
    match error {
        SignError::Begin(BeginError::Command(error)) => problem(error),
        SignError::Begin(BeginError::Store(error)) => store_problem(error),
        SignError::Range(errors) => Problem::validation_failed(faults(errors.clone())),
        SignError::Signature(error) => Problem::internal(error),
    }
}

/// The domain's errors of fields as the problem document lists them.
pub fn faults(errors: impl IntoIterator<Item = FieldError>) -> Vec<FieldFault> {
    errors
        .into_iter()
        .map(|error| FieldFault::new(error.pointer, error.detail))
        .collect()
}

/// What is wrong with a member's value, where its shape is right: the parse of a body stops at shapes, and all faults
/// are to be named at once.
pub fn value_fault<T: DeserializeOwned, P>(
    members: &Map<String, Value>,
    name: &str,
    parse: impl FnOnce(T) -> Result<P, FieldError>,
) -> Option<FieldFault> {
    let value = serde_json::from_value(members.get(name)?.clone()).ok()?;
    let error = parse(value).err()?;
    Some(FieldFault::new(error.pointer, error.detail))
}

/// A path segment that is no id.
pub fn invalid_id(error: &InvalidId) -> Problem {
    Problem::invalid_parameter("id", error.to_string())
}
