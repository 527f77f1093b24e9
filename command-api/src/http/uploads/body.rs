use std::collections::BTreeMap;

use depot_domain::{
    AcceptedTypes, ContentType, FileName, ItemId, PartPlan, Sha256, SizeBytes, Upload, UploadRequest,
};
use depot_service::{
    json,
    problem::{Problem, types},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    announcement,
    http::error::{faults, value_fault},
    staging::SignedPut,
};

/// A file that is to be sent.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UploadRequestBody {
    /// The item that the file is to be attached to.
    pub item_id: Uuid,
    /// No path separators, no control characters.
    #[schema(min_length = 1, max_length = 255)]
    pub file_name: String,
    /// Type and subtype, without parameters: one of the types that are accepted here, which a refusal names. The bytes
    /// are compared with it.
    #[schema(max_length = 127)]
    pub content_type: String,
    /// 1 to 5 GiB.
    #[schema(minimum = 1, maximum = 5368709120_i64)]
    pub size_bytes: i64,
    /// 64 hexadecimal digits.
    #[schema(min_length = 64, max_length = 64)]
    pub sha256: String,
}

/// An upload that was announced, and how its bytes are sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RequestedUploadBody {
    pub id: Uuid,
    /// `pending`
    pub status: &'static str,
    /// `PUT`: the file is sent whole, to `url`. `multipart`: it is sent in parts.
    pub method: &'static str,
    /// The one request that sends the file whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub url: Option<String>,
    /// To be sent with it as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub headers: Option<BTreeMap<String, String>>,
    /// The size of every part but the last, where the file is sent in parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub part_size_bytes: Option<i64>,
    /// Parts are numbered from 1 to this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub part_count: Option<i32>,
    /// `POST` there signs the requests that send parts, `GET` tells which have arrived. Relative to this API.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub parts_url: Option<String>,
    /// Until when the bytes may be sent.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

impl RequestedUploadBody {
    pub fn new(upload: &Upload, put: Option<&SignedPut>) -> Self {
        let plan = upload.parts();
        Self {
            id: upload.id.0,
            status: upload.status.as_str(),
            method: if plan.is_some() { "multipart" } else { "PUT" },
            url: put.map(|put| put.url.clone()),
            headers: put.map(|put| put.headers.clone()),
            part_size_bytes: plan.as_ref().map(PartPlan::part_size_bytes),
            part_count: plan.as_ref().map(PartPlan::count),
            parts_url: plan.map(|_| format!("/api/v1/uploads/{}/parts", upload.id)),
            expires_at: upload.expires_at,
        }
    }
}

/// An upload as the command left it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UploadBody {
    pub id: Uuid,
    pub item_id: Uuid,
    pub owner: String,
    pub file_name: String,
    pub content_type: String,
    pub size_bytes: i64,
    pub sha256: String,
    /// `pending`, `received`, `stored`, `rejected`, `expired`, `aborted` or `removed`.
    pub status: &'static str,
    /// Why it was rejected or aborted.
    pub reason: Option<String>,
    pub version: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

impl From<&Upload> for UploadBody {
    fn from(upload: &Upload) -> Self {
        let request = &upload.request;
        Self {
            id: upload.id.0,
            item_id: request.item_id.0,
            owner: upload.owner.as_str().to_owned(),
            file_name: request.file_name.as_str().to_owned(),
            content_type: request.content_type.as_str().to_owned(),
            size_bytes: request.size_bytes.get(),
            sha256: request.sha256.as_str().to_owned(),
            status: upload.status.as_str(),
            reason: upload.reason.clone(),
            version: upload.version,
            created_at: upload.created_at,
            updated_at: upload.updated_at,
            expires_at: upload.expires_at,
        }
    }
}

/// A body that says nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoMembers {}

/// Reads what is announced.
///
/// # Errors
/// The problem `validation-failed` with every fault of shape and of value.
pub fn request(bytes: &[u8], accepted: &AcceptedTypes) -> Result<UploadRequest, Problem> {
    let body: UploadRequestBody =
        json::parse(bytes).map_err(|problem| with_faults_of_value(problem, bytes, accepted))?;
    let parsed = announcement::parse(
        accepted,
        ItemId(body.item_id),
        body.file_name,
        body.content_type,
        body.size_bytes,
        body.sha256,
    );
    parsed.map_err(|errors| Problem::validation_failed(faults(errors)))
}

/// Adds to faults of shape what is wrong with the members that have the right shape.
fn with_faults_of_value(problem: Problem, bytes: &[u8], accepted: &AcceptedTypes) -> Problem {
    if !problem.is(&types::VALIDATION_FAILED) {
        return problem;
    }
    let members: Map<String, Value> = serde_json::from_slice(bytes).unwrap_or_default();
    let found = [
        value_fault(&members, "file_name", FileName::parse),
        value_fault(&members, "content_type", |text| {
            accepted.admit(&ContentType::parse(text)?)
        }),
        value_fault(&members, "size_bytes", SizeBytes::parse),
        value_fault(&members, "sha256", Sha256::parse),
    ];
    Problem::validation_failed(problem.errors.iter().cloned().chain(found.into_iter().flatten()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_shape_and_of_value_are_named_at_once() {
        let body = br#"{"item_id": "7", "file_name": "a/b", "content_type": 3, "size_bytes": -1}"#;
        let accepted = AcceptedTypes::parse(Vec::new()).unwrap();
        let problem = request(body, &accepted).unwrap_err();
        let mut found: Vec<_> = problem.errors.iter().map(|fault| fault.pointer.clone()).collect();
        found.sort();
        assert_eq!(
            found,
            [
                "/content_type",
                "/file_name",
                "/item_id",
                "/sha256",
                "/size_bytes"
            ]
        );
    }
}
