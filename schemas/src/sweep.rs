//! What a sweep tells: of command-api and of the uploader, to one another and to whoever asked.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Findings that a report lists; further ones are only counted.
pub const MAX_LISTED: usize = 1_000;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)*) => {
        /// What does not add up.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum FindingKind {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl FindingKind {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word that stands in reports and metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    /// Staged bytes of an upload that has its outcome, or of a start-up probe.
    StagedLeftover = "staged_leftover";
    /// A multipart upload that nobody will end.
    OpenMultipart = "open_multipart";
    /// A copy that nobody finished.
    StaleCopy = "stale_copy";
    /// An object in the bucket of files that nobody may refer to.
    StrayObject = "stray_object";
    /// A deletion that was decided, and that the store has not confirmed.
    UnconfirmedDeletion = "unconfirmed_deletion";
    /// An object that may be referred to, and that no receipt refers to.
    UnreferencedObject = "unreferenced_object";
    /// An object that may be referred to is not in the bucket.
    MissingObject = "missing_object";
    /// A receipt says stored, and its object may not be referred to.
    ReceiptWithoutObject = "receipt_without_object";
    /// An upload without its saga.
    UploadWithoutSaga = "upload_without_saga";
    /// A saga whose step or state does not fit its upload.
    SagaContradictsUpload = "saga_contradicts_upload";
    /// The saga of an upload that is not there.
    SagaWithoutUpload = "saga_without_upload";
    /// A deadline that passed long ago, and that nobody has taken.
    DeadlineMissed = "deadline_missed";
    /// A saga that cannot go on by itself.
    SagaStuck = "saga_stuck";
    /// An account whose reserved or used bytes are not the sums of its uploads.
    QuotaWrong = "quota_wrong";
    /// A stored upload that its item does not have among its files.
    AttachmentMissing = "attachment_missing";
    /// A file of an item without a stored upload.
    AttachmentUnfounded = "attachment_unfounded";
    /// An item that is deleted, and whose uploads nobody ends.
    DeletionIncomplete = "deletion_incomplete";
    /// An upload that waits, though the uploader has concluded it.
    AnswerNotHeard = "answer_not_heard";
    /// An upload that has ended, and of which the uploader has not heard.
    EndNotHeard = "end_not_heard";
    /// A file that is kept for an upload that has ended.
    FileOfEndedUpload = "file_of_ended_upload";
    /// An upload that waits for what the uploader has let go of, or has not been asked for.
    OutcomeContradicted = "outcome_contradicted";
    /// A stored upload whose file the uploader does not have.
    FileLost = "file_lost";
    /// A receipt of an upload that was never heard of.
    UnknownReceipt = "unknown_receipt";
    /// Staged bytes of an upload that was never heard of.
    UnknownStaged = "unknown_staged";
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that does not add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    pub kind: FindingKind,
    /// The id of an upload, item or saga, an owner, or an object's key with its bucket.
    pub subject: String,
    /// What is there, and, where nothing was or can be mended, what to do.
    pub detail: String,
    /// Whether it is right again, or on its way to be.
    pub mended: bool,
}

/// What a sweep found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SweepReport {
    /// True if nothing was changed.
    pub dry_run: bool,
    /// How much does not add up, or did not.
    pub found: u64,
    /// How much of that was mended.
    pub mended: u64,
    /// How much of that is still as it was found.
    pub left: u64,
    /// The first 1,000.
    pub findings: Vec<Finding>,
}

impl SweepReport {
    pub fn new(dry_run: bool) -> Self {
        Self {
            dry_run,
            ..Self::default()
        }
    }

    /// Counts a finding, and lists it if there is room.
    pub fn add(&mut self, finding: Finding) {
        self.found += 1;
        if finding.mended {
            self.mended += 1;
        } else {
            self.left += 1;
        }
        if self.findings.len() < MAX_LISTED {
            self.findings.push(finding);
        }
    }

    /// Takes up what another part found.
    pub fn merge(&mut self, other: Self) {
        self.found += other.found;
        self.mended += other.mended;
        self.left += other.left;
        let room = MAX_LISTED.saturating_sub(self.findings.len());
        self.findings.extend(other.findings.into_iter().take(room));
    }
}

/// What is on record at the uploader about one upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRow {
    pub upload_id: Uuid,
    /// `stored`, `rejected`, `removing`, `removed` or `cancelled`.
    pub outcome: String,
    /// The object that it refers to.
    pub object_key: Option<String>,
    /// That object's size.
    pub size_bytes: Option<i64>,
    /// The version of the newest fact told.
    pub version: i64,
    /// How long it has been like that, by the uploader's database.
    pub unchanged_seconds: i64,
}

/// Receipts in the order of their uploads' ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptPage {
    pub receipts: Vec<ReceiptRow>,
    /// Give it as `after` to the next call for what follows; none at the end.
    pub next: Option<Uuid>,
}

/// What became of the wish to forget an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// False if nothing was kept for it.
    pub had_file: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_as_it_is_called() {
        for kind in FindingKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn what_is_not_listed_is_counted() {
        let mut report = SweepReport::new(true);
        for n in 0..MAX_LISTED + 5 {
            report.add(Finding {
                kind: FindingKind::StrayObject,
                subject: n.to_string(),
                detail: String::new(),
                mended: n % 2 == 0,
            });
        }
        let mut both = SweepReport::new(true);
        both.merge(report.clone());
        both.merge(report);
        assert_eq!(both.findings.len(), MAX_LISTED);
        assert_eq!((both.found, both.mended, both.left), (2_010, 1_006, 1_004));
    }
}
