//! The sagas of this service as they are declared: each step, what leads out of it, what is done with that, and what
//! happens when nothing comes. `docs/sagas.md` quotes the diagrams that are drawn from this file, and a test compares.

use std::time::Duration;

use depot_saga::{AskAgain, Deadline, Move, Saga, SagaState, Step};

/// What stands as the actor of events that the sagas cause.
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

    pub const ENDING_UPLOADS: &str = "ending_uploads";
    pub const AWAITING_REMOVALS: &str = "awaiting_removals";
    pub const COMPLETED: &str = "completed";
}

/// From a minute to an hour, and for about a day: longer than most faults of an object store last.
const fn asks_for(what: &'static str) -> Option<Deadline> {
    Some(Deadline::AskAgain(AskAgain {
        what,
        first: Duration::from_secs(60),
        longest: Duration::from_secs(3_600),
        attempts: 30,
    }))
}

const fn on(on: &'static str, does: &'static str, to: &'static str) -> Move {
    Move { to, on, does }
}

const ATTACH: &str = "attach to the item, settle quota";
const RELEASE: &str = "release quota";
const RELEASE_AND_REMOVE: &str = "release quota, ask for removal";
const REMOVE: &str = "ask for removal";

/// The saga of one upload, whose id is its own: reserve quota → receive → verify → store → attach → settle quota.
///
/// Any outcome may be followed by `removing`: a stored file goes with its item, and a file that the uploader stored
/// before it heard of the upload's end has to go too.
pub const UPLOAD_SAGA: Saga = Saga {
    name: "upload",
    begins: "upload requested / reserve quota, sign the URL",
    steps: &[
        Step {
            name: step::AWAITING_BYTES,
            state: SagaState::Running,
            what: "the client sends the bytes",
            deadline: Some(Deadline::Given {
                at: "the end of the time for sending, and a grace",
            }),
            moves: &[
                on(
                    "complete",
                    "receive, ask to verify and store",
                    step::AWAITING_FILE,
                ),
                on("deadline", RELEASE, step::EXPIRED),
                on("abort by the client", RELEASE, step::ABORTED),
                on("item deleted", RELEASE_AND_REMOVE, step::REMOVING),
                on("file.stored, redriven", ATTACH, step::ATTACHED),
                on("file.rejected, redriven", RELEASE, step::REJECTED),
            ],
        },
        Step {
            name: step::AWAITING_FILE,
            state: SagaState::Running,
            what: "the uploader verifies and stores",
            deadline: asks_for("verifying and storing"),
            moves: &[
                on("file.stored", ATTACH, step::ATTACHED),
                on("file.rejected", RELEASE, step::REJECTED),
                on("abort by the client", RELEASE, step::ABORTED),
                on("item deleted", RELEASE_AND_REMOVE, step::REMOVING),
                on(
                    "file.stored, item gone or full",
                    RELEASE_AND_REMOVE,
                    step::REMOVING,
                ),
            ],
        },
        Step {
            name: step::ATTACHED,
            state: SagaState::Completed,
            what: "the file belongs to the item, its bytes are used",
            deadline: None,
            moves: &[on("item deleted", RELEASE_AND_REMOVE, step::REMOVING)],
        },
        Step {
            name: step::REJECTED,
            state: SagaState::Compensated,
            what: "not as announced, or the item is full",
            deadline: None,
            moves: &[on("file.stored after the end", REMOVE, step::REMOVING)],
        },
        Step {
            name: step::EXPIRED,
            state: SagaState::Compensated,
            what: "never completed",
            deadline: None,
            moves: &[on("file.stored after the end", REMOVE, step::REMOVING)],
        },
        Step {
            name: step::ABORTED,
            state: SagaState::Compensated,
            what: "given up by the client",
            deadline: None,
            moves: &[on("file.stored after the end", REMOVE, step::REMOVING)],
        },
        Step {
            name: step::REMOVING,
            state: SagaState::Compensating,
            what: "the uploader lets go of the file",
            deadline: asks_for("removal"),
            moves: &[on("file.removed", "tell the item's deletion", step::REMOVED)],
        },
        Step {
            name: step::REMOVED,
            state: SagaState::Compensated,
            what: "the object store confirmed that nothing is left",
            deadline: None,
            moves: &[on("file.stored after the end", REMOVE, step::REMOVING)],
        },
    ],
};

/// The saga of an item's deletion, whose id is the item's: its files go, and it is done when the object store has
/// confirmed each. Asking the uploader is the upload's own saga's; this one sees that every upload has been ended, and
/// counts what is confirmed.
pub const ITEM_DELETION_SAGA: Saga = Saga {
    name: "item_deletion",
    begins: "item deleted / in the same transaction",
    steps: &[
        Step {
            name: step::ENDING_UPLOADS,
            state: SagaState::Running,
            what: "the item's uploads are ended one by one",
            deadline: asks_for("the ending of its uploads"),
            moves: &[
                on(
                    "all ended, files left",
                    "wait for the uploader",
                    step::AWAITING_REMOVALS,
                ),
                on("all ended, no file left", "nothing", step::COMPLETED),
            ],
        },
        Step {
            name: step::AWAITING_REMOVALS,
            state: SagaState::Running,
            what: "the uploads' own sagas have their files removed",
            deadline: asks_for("the state of its uploads"),
            moves: &[on("the last file.removed", "nothing", step::COMPLETED)],
        },
        Step {
            name: step::COMPLETED,
            state: SagaState::Completed,
            what: "no upload of the item has a file any more",
            deadline: None,
            moves: &[],
        },
    ],
};

/// All sagas of this service.
pub const SAGAS: [&Saga; 2] = [&UPLOAD_SAGA, &ITEM_DELETION_SAGA];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declarations_have_no_fault() {
        for saga in SAGAS {
            assert_eq!(saga.faults(), Vec::<String>::new());
        }
        assert_eq!(UPLOAD_SAGA.steps[0].name, step::AWAITING_BYTES);
        assert_eq!(ITEM_DELETION_SAGA.steps[0].name, step::ENDING_UPLOADS);
    }

    #[test]
    fn the_document_shows_what_is_declared() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/sagas.md");
        let document = std::fs::read_to_string(path).unwrap();
        for saga in SAGAS {
            let diagram = format!("```mermaid\n{}```\n", saga.mermaid());
            assert!(
                document.contains(&diagram),
                "docs/sagas.md does not show the saga `{}` as it is declared; put this in:\n{diagram}",
                saga.name
            );
        }
    }
}
