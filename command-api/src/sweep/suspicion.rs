use std::time::Duration;

use depot_domain::{ItemId, Owner, UploadId, UploadStatus};
use depot_schemas::sweep::{FindingKind, ReceiptRow};
use uuid::Uuid;

use crate::{
    saga::{UPLOAD_SAGA, step},
    store::sweep::UploadStanding,
};

/// Something that does not seem to add up, and what would mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    pub kind: FindingKind,
    pub subject: String,
    pub detail: String,
    pub mend: Mend,
}

/// What mends a finding. Each looks again under its locks, and leaves alone what is right by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mend {
    /// The saga is placed where its upload is.
    PlaceSaga(UploadId),
    RemoveSaga(UploadId),
    /// The saga asks for the answer that it has missed.
    AskNow(UploadId),
    /// The uploader is asked to let go of whatever it has, if the upload is still at this version.
    RequestRemoval(UploadId, i64),
    Attach(UploadId),
    EndUploads(ItemId),
    Recount(Owner),
    /// The uploader forgets what nobody knows, if that was asked for.
    Forget(Uuid),
    /// Only a person can.
    Nothing,
}

/// Where the saga of an upload stands that has this status, if nothing more is known.
pub fn step_of(status: UploadStatus) -> &'static str {
    match status {
        UploadStatus::Pending => step::AWAITING_BYTES,
        UploadStatus::Received => step::AWAITING_FILE,
        UploadStatus::Stored => step::ATTACHED,
        UploadStatus::Rejected => step::REJECTED,
        UploadStatus::Expired => step::EXPIRED,
        UploadStatus::Aborted => step::ABORTED,
        // It asks for the removal by its deadline.
        UploadStatus::Removed => step::REMOVING,
    }
}

/// Whether a saga's step and state are of that status.
pub fn fits(status: UploadStatus, at: &str, state: &str) -> bool {
    let is_outcome = !status.is_open() && status != UploadStatus::Stored;
    let may_be_there = at == step_of(status) || is_outcome && [step::REMOVING, step::REMOVED].contains(&at);
    let declared = UPLOAD_SAGA.step(at);
    let is_in_state = declared
        .is_ok_and(|step| state == step.state.as_str() || state == "stuck" && step.deadline.is_some());
    may_be_there && is_in_state
}

/// What does not fit within this service. One snapshot has told it, so nothing of it is on its way.
pub fn of_upload(upload: &UploadStanding) -> Vec<Suspicion> {
    let id = UploadId(upload.id);
    let suspect = |kind, detail: String, mend| Suspicion {
        kind,
        subject: upload.id.to_string(),
        detail,
        mend,
    };
    let mut found = Vec::new();
    match &upload.saga {
        None => {
            let detail = format!("the upload is {}, and has no saga", upload.status);
            found.push(suspect(
                FindingKind::UploadWithoutSaga,
                detail,
                Mend::PlaceSaga(id),
            ));
        }
        Some((at, state)) if !fits(upload.status, at, state) => {
            let detail = format!("the upload is {}, and its saga is {state} at {at}", upload.status);
            found.push(suspect(
                FindingKind::SagaContradictsUpload,
                detail,
                Mend::PlaceSaga(id),
            ));
        }
        Some(_) => {}
    }
    if upload.status == UploadStatus::Stored && !upload.item_is_deleted && !upload.is_attached {
        let detail = "the upload is stored, and its item does not have it among its files".to_owned();
        found.push(suspect(FindingKind::AttachmentMissing, detail, Mend::Attach(id)));
    }
    found
}

/// What does not fit between an upload and the uploader's receipt of it, where both have been as they are for longer
/// than `grace`: until then an event may be on its way.
pub fn against_receipt(
    upload: &UploadStanding,
    receipt: Option<&ReceiptRow>,
    grace: Duration,
) -> Option<Suspicion> {
    let is_settled = |seconds: i64| u64::try_from(seconds).unwrap_or_default() >= grace.as_secs();
    if !is_settled(upload.unchanged_seconds)
        || receipt.is_some_and(|receipt| !is_settled(receipt.unchanged_seconds))
    {
        return None;
    }
    let outcome = receipt.map(|receipt| receipt.outcome.as_str());
    let has = outcome.map_or("no receipt".to_owned(), |outcome| {
        format!("a receipt that says {outcome}")
    });
    let id = UploadId(upload.id);
    let (kind, advice, mend) = match upload.status {
        UploadStatus::Pending | UploadStatus::Received if outcome.is_none() => return None,
        UploadStatus::Received if matches!(outcome, Some("stored" | "rejected")) => {
            (FindingKind::AnswerNotHeard, "", Mend::AskNow(id))
        }
        UploadStatus::Pending => (
            FindingKind::OutcomeContradicted,
            ": its deadline will end it",
            Mend::Nothing,
        ),
        UploadStatus::Received => (
            FindingKind::OutcomeContradicted,
            ": nothing will be stored for it, abort it (DELETE /api/v1/uploads/{id})",
            Mend::Nothing,
        ),
        UploadStatus::Stored => {
            let key = receipt.and_then(|receipt| receipt.object_key.as_ref());
            if outcome == Some("stored") && key == upload.object_key.as_ref() {
                return None;
            }
            (
                FindingKind::FileLost,
                ": bring the uploader's database and the bucket back from a backup, or delete the item that shows it",
                Mend::Nothing,
            )
        }
        // The saga is at it, and asks until it is answered.
        _ if upload.saga.as_ref().is_some_and(|(at, _)| at == step::REMOVING) => return None,
        _ => {
            let mend = Mend::RequestRemoval(id, upload.version);
            match receipt {
                None => (FindingKind::EndNotHeard, "", mend),
                Some(receipt) if receipt.object_key.is_some() => (FindingKind::FileOfEndedUpload, "", mend),
                Some(_) => return None,
            }
        }
    };
    Some(Suspicion {
        kind,
        subject: upload.id.to_string(),
        detail: format!(
            "the upload is {}, and the uploader has {has}{advice}",
            upload.status
        ),
        mend,
    })
}

/// A receipt that keeps a file for an upload that is not there; one that keeps none does no harm.
pub fn of_unknown(receipt: &ReceiptRow) -> Option<Suspicion> {
    let key = receipt.object_key.as_ref()?;
    Some(unknown(
        FindingKind::UnknownReceipt,
        receipt.upload_id,
        format!("the uploader keeps {key} for an upload that this service does not know"),
    ))
}

/// Staged bytes of an upload that is not there.
pub fn of_staged(upload: Uuid) -> Suspicion {
    let detail = "bytes are staged for an upload that this service does not know".to_owned();
    unknown(FindingKind::UnknownStaged, upload, detail)
}

fn unknown(kind: FindingKind, upload: Uuid, what: String) -> Suspicion {
    Suspicion {
        kind,
        subject: upload.to_string(),
        detail: format!(
            "{what}: if its database was set back, bring the upload back; if nobody misses it, sweep with forget_unknown"
        ),
        mend: Mend::Forget(upload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [UploadStatus; 7] = [
        UploadStatus::Pending,
        UploadStatus::Received,
        UploadStatus::Stored,
        UploadStatus::Rejected,
        UploadStatus::Expired,
        UploadStatus::Aborted,
        UploadStatus::Removed,
    ];

    fn upload(status: UploadStatus, at: &str) -> UploadStanding {
        let state = UPLOAD_SAGA.step(at).unwrap().state.as_str();
        UploadStanding {
            id: Uuid::nil(),
            status,
            object_key: (status == UploadStatus::Stored).then(|| "key".to_owned()),
            version: 3,
            unchanged_seconds: 100,
            saga: Some((at.to_owned(), state.to_owned())),
            item_is_deleted: false,
            is_attached: true,
        }
    }

    fn receipt(outcome: &str) -> ReceiptRow {
        ReceiptRow {
            upload_id: Uuid::nil(),
            outcome: outcome.to_owned(),
            object_key: ["stored", "removing"]
                .contains(&outcome)
                .then(|| "key".to_owned()),
            size_bytes: None,
            version: 1,
            unchanged_seconds: 100,
        }
    }

    /// The whole table: what each receipt is to an upload of each status, `-` for what fits.
    #[test]
    fn every_status_meets_every_receipt_as_the_table_says() {
        let outcomes = [
            None,
            Some("stored"),
            Some("rejected"),
            Some("removing"),
            Some("removed"),
            Some("cancelled"),
        ];
        let (contradicts, unheard, lost) = ("outcome_contradicted", "answer_not_heard", "file_lost");
        let (end, kept) = ("end_not_heard", "file_of_ended_upload");
        let open = [
            "-",
            contradicts,
            contradicts,
            contradicts,
            contradicts,
            contradicts,
        ];
        let received = ["-", unheard, unheard, contradicts, contradicts, contradicts];
        let stored = [lost, "-", lost, lost, lost, lost];
        let ended = [end, kept, "-", kept, "-", "-"];
        let expected = [open, received, stored, ended, ended, ended, ended];
        for (status, expected) in ALL.into_iter().zip(expected) {
            let at = match status {
                UploadStatus::Removed => step::REMOVED,
                _ => step_of(status),
            };
            for (outcome, expected) in outcomes.into_iter().zip(expected) {
                let found = against_receipt(
                    &upload(status, at),
                    outcome.map(receipt).as_ref(),
                    Duration::from_secs(100),
                );
                let found = found.map_or("-", |found| found.kind.as_str());
                assert_eq!(found, expected, "{status} and {outcome:?}");
            }
        }
    }

    #[test]
    fn what_is_on_its_way_is_not_suspected() {
        let (received, stored) = (
            upload(UploadStatus::Received, step::AWAITING_FILE),
            receipt("stored"),
        );
        let young = Duration::from_secs(101);
        assert_eq!(against_receipt(&received, Some(&stored), young), None);
        let older = UploadStanding {
            unchanged_seconds: 1_000,
            ..received
        };
        assert_eq!(
            against_receipt(&older, Some(&stored), young),
            None,
            "the receipt is young"
        );
        let removing = upload(UploadStatus::Aborted, step::REMOVING);
        assert_eq!(against_receipt(&removing, Some(&stored), Duration::ZERO), None);
        assert_eq!(against_receipt(&removing, None, Duration::ZERO), None);
    }

    #[test]
    fn another_key_than_the_uploads_is_a_lost_file() {
        let other = ReceiptRow {
            object_key: Some("other".to_owned()),
            ..receipt("stored")
        };
        let found = against_receipt(
            &upload(UploadStatus::Stored, step::ATTACHED),
            Some(&other),
            Duration::ZERO,
        );
        assert_eq!(found.map(|found| found.kind), Some(FindingKind::FileLost));
    }

    #[test]
    fn a_saga_fits_its_upload_at_its_own_step_or_on_the_way_out() {
        for status in ALL {
            for step in UPLOAD_SAGA.steps {
                let own = step.name == step_of(status);
                let out = !status.is_open() && status != UploadStatus::Stored;
                let expected = own || out && [step::REMOVING, step::REMOVED].contains(&step.name);
                let state = step.state.as_str();
                assert_eq!(fits(status, step.name, state), expected, "{status} {}", step.name);
                let waits = step.deadline.is_some();
                assert_eq!(fits(status, step.name, "stuck"), expected && waits);
                let other = if state == "running" {
                    "completed"
                } else {
                    "running"
                };
                assert!(!fits(status, step.name, other));
            }
            assert!(!fits(status, "no_such_step", "running"));
        }
    }
}
