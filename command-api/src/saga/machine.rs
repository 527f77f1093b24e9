use depot_saga::{Saga, SagaState, Step};

/// What stands as the actor of events that the saga causes.
pub const ACTOR: &str = "upload-saga";

/// Names of the steps.
pub mod step {
    pub const AWAITING_BYTES: &str = "awaiting_bytes";
    pub const AWAITING_FILE: &str = "awaiting_file";
    pub const ATTACHED: &str = "attached";
    pub const REJECTED: &str = "rejected";
    pub const EXPIRED: &str = "expired";
    pub const ABORTED: &str = "aborted";
    pub const REMOVING: &str = "removing";
    pub const REMOVED: &str = "removed";
}

/// The saga of one upload; its id is the upload's.
///
/// Any outcome may be followed by `removing`: a stored file goes with its item, and a file that the uploader stored
/// before it heard of the upload's end has to go too.
pub const UPLOAD_SAGA: Saga = Saga {
    name: "upload",
    steps: &[
        // The client sends the bytes. Has a deadline: when the URL has ended and the grace after it.
        Step {
            name: step::AWAITING_BYTES,
            state: SagaState::Running,
            next: &[
                step::AWAITING_FILE,
                step::ATTACHED,
                step::REJECTED,
                step::EXPIRED,
                step::ABORTED,
                step::REMOVING,
            ],
        },
        // The uploader verifies and stores.
        Step {
            name: step::AWAITING_FILE,
            state: SagaState::Running,
            next: &[step::ATTACHED, step::REJECTED, step::ABORTED, step::REMOVING],
        },
        Step {
            name: step::ATTACHED,
            state: SagaState::Completed,
            next: &[step::REMOVING],
        },
        Step {
            name: step::REJECTED,
            state: SagaState::Compensated,
            next: &[step::REMOVING],
        },
        Step {
            name: step::EXPIRED,
            state: SagaState::Compensated,
            next: &[step::REMOVING],
        },
        Step {
            name: step::ABORTED,
            state: SagaState::Compensated,
            next: &[step::REMOVING],
        },
        // The uploader was asked to remove the file, and has not answered yet.
        Step {
            name: step::REMOVING,
            state: SagaState::Compensating,
            next: &[step::REMOVED],
        },
        Step {
            name: step::REMOVED,
            state: SagaState::Compensated,
            next: &[step::REMOVING],
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declaration_has_no_fault() {
        assert_eq!(UPLOAD_SAGA.faults(), Vec::<String>::new());
        assert_eq!(UPLOAD_SAGA.steps[0].name, step::AWAITING_BYTES);
    }
}
