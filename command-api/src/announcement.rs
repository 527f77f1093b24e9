//! The announcement of a file, before its command: what may be announced, how its bytes are to be sent, and for how long.

use std::{sync::Arc, time::Duration};

use depot_domain::{AcceptedTypes, ContentType, FieldError, ItemId, SizeBytes, UploadId, UploadRequest};
use depot_object_store::StoreError;

use crate::{
    commands::{Actor, RequestUpload},
    staging::{SignedPut, Staging},
};

/// How uploads are granted.
#[derive(Debug, Clone, Copy)]
pub struct UploadPolicy {
    /// How long a presigned URL lasts.
    pub url_lifetime: Duration,
    /// How a file is sent that is too large for one request.
    pub in_parts: InParts,
    /// How long after that an upload may still be completed.
    pub grace: Duration,
    /// The limit of an account that nobody has set one for.
    pub default_quota_bytes: i64,
}

/// How large files are sent.
#[derive(Debug, Clone, Copy)]
pub struct InParts {
    /// Files over this are sent in parts.
    pub over_bytes: i64,
    /// The size of each part but the last.
    pub part_size_bytes: i64,
    /// How long parts may be sent: longer than one URL lasts, since it takes many, and may be interrupted.
    pub lifetime: Duration,
}

impl UploadPolicy {
    /// The size of the parts of a file of that size; none where it is sent whole.
    pub fn part_size_bytes(&self, size: SizeBytes) -> Option<i64> {
        (size.get() > self.in_parts.over_bytes).then_some(self.in_parts.part_size_bytes)
    }
}

/// Where files are announced. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Announcements {
    pub staging: Staging,
    pub policy: UploadPolicy,
    /// The types of content that may be uploaded.
    pub accepted: Arc<AcceptedTypes>,
}

/// A command that announces a file, and the PUT that will send it whole; none where it is sent in parts.
#[derive(Debug, Clone)]
pub struct Announcement {
    pub command: RequestUpload,
    pub put: Option<SignedPut>,
}

impl Announcements {
    /// Prepares the command. Signing needs no network, and the answer that is kept in the command's transaction carries the
    /// URL.
    ///
    /// # Errors
    /// The signature cannot be made, which is a fault of the configuration.
    pub async fn announce(&self, actor: Actor, request: UploadRequest) -> Result<Announcement, StoreError> {
        let (id, policy) = (UploadId::generate(), &self.policy);
        let part_size_bytes = policy.part_size_bytes(request.size_bytes);
        let put = match part_size_bytes {
            Some(_) => None,
            None => Some(self.staging.sign(id, &request, policy.url_lifetime).await?),
        };
        let command = RequestUpload {
            actor,
            id,
            request,
            lifetime: match part_size_bytes {
                Some(_) => policy.in_parts.lifetime,
                None => policy.url_lifetime,
            },
            part_size_bytes,
            grace: policy.grace,
            default_quota_bytes: policy.default_quota_bytes,
        };
        Ok(Announcement { command, put })
    }
}

/// What is announced, of a type that is accepted.
///
/// # Errors
/// Every field that cannot be accepted.
pub fn parse(
    accepted: &AcceptedTypes,
    item_id: ItemId,
    file_name: String,
    content_type: String,
    size_bytes: i64,
    sha256: String,
) -> Result<UploadRequest, Vec<FieldError>> {
    let known = ContentType::parse(content_type.clone()).ok();
    let not_accepted = known.and_then(|known| accepted.admit(&known).err());
    let parsed = UploadRequest::parse(item_id, file_name, content_type, size_bytes, sha256);
    match (parsed, not_accepted) {
        (Ok(request), None) => Ok(request),
        (parsed, not_accepted) => {
            let invalid = parsed.err().map(|invalid| invalid.0).unwrap_or_default();
            Err(invalid.into_iter().chain(not_accepted).collect())
        }
    }
}
