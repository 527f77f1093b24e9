//! What readers were shown: never an older version than they asked for, and nothing that is not theirs.

use super::{Counter, Verdict};
use crate::history::{Kind, Operation, Outcome};

pub fn check(operations: &[Operation], verdict: &mut Verdict) {
    let (mut of_items, mut of_uploads, mut by_grpc, mut forbidden) = (0, 0, 0, 0);
    for operation in operations {
        match operation.kind {
            Kind::ReadByGrpc => {
                by_grpc += usize::from(operation.is_ok());
                version(operation, verdict);
            }
            Kind::Read => {
                of_items += usize::from(operation.is_ok() && operation.item.is_some());
                of_uploads += usize::from(operation.is_ok() && operation.upload.is_some());
                version(operation, verdict);
            }
            Kind::ForbiddenRead => {
                forbidden += 1;
                if operation.is_ok() {
                    verdict.find(
                        Counter::Forbidden,
                        format!("{} was shown upload {:?}", operation.actor, operation.upload),
                    );
                }
            }
            _ => {}
        }
    }
    verdict.has_read("reads of an item's version", of_items);
    verdict.has_read("reads of an upload's version", of_uploads);
    verdict.has_read("reads of a version by gRPC", by_grpc);
    verdict.has_read("reads that are not allowed", forbidden);
}

fn version(operation: &Operation, verdict: &mut Verdict) {
    let is_missing = matches!(operation.outcome, Outcome::Failed { status: 404, .. });
    let is_older = operation.is_ok() && operation.seen < operation.version;
    if is_missing || is_older {
        let what = format!(
            "item {:?}, upload {:?}: version {:?} or newer was asked for, and {:?} came ({:?}) at {} ms",
            operation.item,
            operation.upload,
            operation.version,
            operation.seen,
            operation.outcome,
            operation.ended_ms
        );
        verdict.find(Counter::Stale, what);
    }
}
