use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    field_error::{Collector, Invalid},
    ids::{ItemId, Owner, UploadId},
    item::FileRef,
    parts::PartPlan,
    thumbnail::Thumbnail,
    upload_fields::{ContentType, FileName, Sha256, SizeBytes},
};

/// What a client announces before it sends a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRequest {
    pub item_id: ItemId,
    pub file_name: FileName,
    pub content_type: ContentType,
    pub size_bytes: SizeBytes,
    pub sha256: Sha256,
}

impl UploadRequest {
    /// Parses every field, and names all that are wrong.
    pub fn parse(
        item_id: ItemId,
        file_name: String,
        content_type: String,
        size_bytes: i64,
        sha256: String,
    ) -> Result<Self, Invalid> {
        let mut errors = Collector::default();
        let file_name = errors.take(FileName::parse(file_name));
        let content_type = errors.take(ContentType::parse(content_type));
        let size_bytes = errors.take(SizeBytes::parse(size_bytes));
        let sha256 = errors.take(Sha256::parse(sha256));
        match (file_name, content_type, size_bytes, sha256) {
            (Some(file_name), Some(content_type), Some(size_bytes), Some(sha256)) => Ok(Self {
                item_id,
                file_name,
                content_type,
                size_bytes,
                sha256,
            }),
            _ => Err(errors.into_invalid()),
        }
    }
}

/// Where an upload stands. `Pending` and `Received` are open, the others are outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadStatus {
    /// Quota is reserved, the client may send the bytes.
    Pending,
    /// The client says that the bytes are there; they are being verified and stored.
    Received,
    /// Verified, stored and attached to the item.
    Stored,
    /// Not accepted; `reason` says why.
    Rejected,
    /// Never completed in time.
    Expired,
    /// Given up by its owner, or because its item went before it was completed.
    Aborted,
    /// Was stored, and went with its item.
    Removed,
}

impl UploadStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Received => "received",
            Self::Stored => "stored",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Aborted => "aborted",
            Self::Removed => "removed",
        }
    }

    /// True while quota is reserved and the outcome is not decided.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Received)
    }
}

impl fmt::Display for UploadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for UploadStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pending" => Ok(Self::Pending),
            "received" => Ok(Self::Received),
            "stored" => Ok(Self::Stored),
            "rejected" => Ok(Self::Rejected),
            "expired" => Ok(Self::Expired),
            "aborted" => Ok(Self::Aborted),
            "removed" => Ok(Self::Removed),
            _ => Err(format!("`{text}` is no upload status")),
        }
    }
}

/// Why a file was not accepted. The last two are found by the saga, the others by the uploader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// Nothing lay in staging when the upload was completed.
    ContentMissing,
    /// Some parts had not arrived when the upload was completed.
    PartsMissing,
    SizeMismatch,
    ChecksumMismatch,
    /// The bytes are of another type than was announced.
    ContentTypeMismatch,
    /// The scanner found something in it.
    Malware,
    /// The item was deleted while the file was on its way.
    ItemDeleted,
    TooManyFiles,
}

impl RejectReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContentMissing => "content_missing",
            Self::PartsMissing => "parts_missing",
            Self::SizeMismatch => "size_mismatch",
            Self::ChecksumMismatch => "checksum_mismatch",
            Self::ContentTypeMismatch => "content_type_mismatch",
            Self::Malware => "malware",
            Self::ItemDeleted => "item_deleted",
            Self::TooManyFiles => "too_many_files",
        }
    }
}

/// Why an open upload was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    ByOwner,
    ItemDeleted,
}

impl CancelReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByOwner => "by_owner",
            Self::ItemDeleted => "item_deleted",
        }
    }
}

/// An upload as the write side knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub id: UploadId,
    pub owner: Owner,
    pub request: UploadRequest,
    pub status: UploadStatus,
    /// Why it was rejected or aborted, as a stable word; none otherwise.
    pub reason: Option<String>,
    /// The key in the bucket `files`, once stored.
    pub object_key: Option<String>,
    /// The file's thumbnail, where it was stored with one.
    pub thumbnail: Option<Thumbnail>,
    /// 1 at the request, raised by one with each change.
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    /// Until when the bytes may be sent; the upload itself expires a grace later.
    pub expires_at: OffsetDateTime,
    /// For a file that is sent in parts: the size of each but the last.
    pub part_size_bytes: Option<i64>,
    /// The object store's id of the multipart upload that takes them, once it was begun.
    pub multipart_id: Option<String>,
}

/// What a command or a fact does to an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadDecision {
    Changed(Upload),
    /// It is in that state already: no version, no event.
    Unchanged(Upload),
}

/// Why an upload does not do what a command asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    #[error("upload {id} has ended: it is {status}")]
    Ended { id: UploadId, status: UploadStatus },
}

impl Upload {
    pub fn request(
        id: UploadId,
        owner: Owner,
        request: UploadRequest,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Self {
        Self {
            id,
            owner,
            request,
            status: UploadStatus::Pending,
            reason: None,
            object_key: None,
            thumbnail: None,
            version: 1,
            created_at: now,
            updated_at: now,
            expires_at,
            part_size_bytes: None,
            multipart_id: None,
        }
    }

    /// What it takes of its owner's storage once it is stored: the file, and its thumbnail. Before that it is the file's
    /// size that is reserved.
    pub fn stored_bytes(&self) -> i64 {
        let thumbnail = self.thumbnail.as_ref();
        self.request.size_bytes.get() + thumbnail.map_or(0, |thumbnail| thumbnail.size_bytes.get())
    }

    /// The parts that its file is sent in; none where it is sent whole.
    pub fn parts(&self) -> Option<PartPlan> {
        let part_size_bytes = self.part_size_bytes?;
        Some(PartPlan::new(self.request.size_bytes, part_size_bytes))
    }

    /// The client says that the bytes are there. Saying so again changes nothing.
    pub fn complete(self, now: OffsetDateTime) -> Result<UploadDecision, UploadError> {
        match self.status {
            UploadStatus::Pending => Ok(self.change(UploadStatus::Received, None, now)),
            UploadStatus::Received | UploadStatus::Stored => Ok(UploadDecision::Unchanged(self)),
            _ => Err(self.ended()),
        }
    }

    /// Gives up an open upload. Giving up again changes nothing; an upload that ended otherwise refuses.
    pub fn abort(self, reason: CancelReason, now: OffsetDateTime) -> Result<UploadDecision, UploadError> {
        match self.status {
            UploadStatus::Pending | UploadStatus::Received => {
                Ok(self.change(UploadStatus::Aborted, Some(reason.as_str()), now))
            }
            UploadStatus::Aborted => Ok(UploadDecision::Unchanged(self)),
            _ => Err(self.ended()),
        }
    }

    /// Its time is up. Only an upload that was never completed expires.
    pub fn expire(self, now: OffsetDateTime) -> UploadDecision {
        match self.status {
            UploadStatus::Pending => self.change(UploadStatus::Expired, None, now),
            _ => UploadDecision::Unchanged(self),
        }
    }

    /// The file was stored under `object_key`, with a thumbnail or without, and is attached to its item in the same
    /// transaction.
    pub fn store(
        mut self,
        object_key: String,
        thumbnail: Option<Thumbnail>,
        now: OffsetDateTime,
    ) -> Result<UploadDecision, UploadError> {
        match self.status {
            UploadStatus::Pending | UploadStatus::Received => {
                self.object_key = Some(object_key);
                self.thumbnail = thumbnail;
                Ok(self.change(UploadStatus::Stored, None, now))
            }
            UploadStatus::Stored => Ok(UploadDecision::Unchanged(self)),
            _ => Err(self.ended()),
        }
    }

    /// The file is not accepted.
    pub fn reject(self, reason: RejectReason, now: OffsetDateTime) -> Result<UploadDecision, UploadError> {
        match self.status {
            UploadStatus::Pending | UploadStatus::Received => {
                Ok(self.change(UploadStatus::Rejected, Some(reason.as_str()), now))
            }
            UploadStatus::Rejected => Ok(UploadDecision::Unchanged(self)),
            _ => Err(self.ended()),
        }
    }

    /// The item went, and the attached file goes with it.
    pub fn remove(self, now: OffsetDateTime) -> UploadDecision {
        match self.status {
            UploadStatus::Stored => self.change(UploadStatus::Removed, None, now),
            _ => UploadDecision::Unchanged(self),
        }
    }

    /// The outcome stands, and what may lie in the object store is asked to be removed: a new version for the
    /// event that asks.
    pub fn request_removal(self, now: OffsetDateTime) -> Self {
        self.ask_again(now)
    }

    /// Nothing changes but the version: for an event that asks once more for what was asked before.
    pub fn ask_again(self, now: OffsetDateTime) -> Self {
        Self {
            version: self.version + 1,
            updated_at: now.max(self.updated_at),
            ..self
        }
    }

    /// The file as it is attached to the item.
    pub fn file_ref(&self) -> FileRef {
        FileRef {
            upload_id: self.id,
            file_name: self.request.file_name.clone(),
            content_type: self.request.content_type.clone(),
            size_bytes: self.request.size_bytes,
            sha256: self.request.sha256.clone(),
        }
    }

    fn ended(&self) -> UploadError {
        UploadError::Ended {
            id: self.id,
            status: self.status,
        }
    }

    fn change(self, status: UploadStatus, reason: Option<&str>, now: OffsetDateTime) -> UploadDecision {
        UploadDecision::Changed(Self {
            status,
            reason: reason.map(str::to_owned),
            version: self.version + 1,
            updated_at: now.max(self.updated_at),
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn upload(status: UploadStatus) -> Upload {
        let request = UploadRequest::parse(
            ItemId::generate(),
            "a.txt".into(),
            "text/plain".into(),
            3,
            "ab".repeat(32),
        )
        .unwrap();
        let owner = Owner::parse("alice").unwrap();
        Upload {
            status,
            ..Upload::request(UploadId::generate(), owner, request, NOW, NOW)
        }
    }

    const ALL: [UploadStatus; 7] = [
        UploadStatus::Pending,
        UploadStatus::Received,
        UploadStatus::Stored,
        UploadStatus::Rejected,
        UploadStatus::Expired,
        UploadStatus::Aborted,
        UploadStatus::Removed,
    ];

    /// The whole table at once: what each command or fact makes of each status; `-` no change, `!` refused.
    #[test]
    fn every_status_answers_every_command_as_the_table_says() {
        type Act = fn(Upload) -> Result<UploadDecision, UploadError>;
        let acts: [(&str, Act, [&str; 7]); 6] = [
            (
                "complete",
                |u| u.complete(NOW),
                ["received", "-", "-", "!", "!", "!", "!"],
            ),
            (
                "abort",
                |u| u.abort(CancelReason::ByOwner, NOW),
                ["aborted", "aborted", "!", "!", "!", "-", "!"],
            ),
            (
                "expire",
                |u| Ok(u.expire(NOW)),
                ["expired", "-", "-", "-", "-", "-", "-"],
            ),
            (
                "store",
                |u| u.store("k".into(), None, NOW),
                ["stored", "stored", "-", "!", "!", "!", "!"],
            ),
            (
                "reject",
                |u| u.reject(RejectReason::SizeMismatch, NOW),
                ["rejected", "rejected", "!", "-", "!", "!", "!"],
            ),
            (
                "remove",
                |u| Ok(u.remove(NOW)),
                ["-", "-", "removed", "-", "-", "-", "-"],
            ),
        ];
        for (name, act, expected) in acts {
            for (status, expected) in ALL.into_iter().zip(expected) {
                let got = match act(upload(status)) {
                    Ok(UploadDecision::Changed(after)) => {
                        assert_eq!(after.version, 2, "{name} on {status}");
                        after.status.as_str()
                    }
                    Ok(UploadDecision::Unchanged(_)) => "-",
                    Err(UploadError::Ended { .. }) => "!",
                };
                assert_eq!(got, expected, "{name} on {status}");
            }
        }
    }

    #[test]
    fn a_status_reads_back_as_it_was_written() {
        for status in ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
    }

    #[test]
    fn all_invalid_fields_of_a_request_are_named_at_once() {
        let bad = UploadRequest::parse(ItemId::generate(), "a/b".into(), "x".into(), 0, "zz".into());
        let pointers: Vec<_> = bad.unwrap_err().0.into_iter().map(|e| e.pointer).collect();
        assert_eq!(
            pointers,
            ["/file_name", "/content_type", "/size_bytes", "/sha256"]
        );
    }
}
