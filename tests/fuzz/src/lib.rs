//! What reads bytes of strangers. Each function takes any bytes, and panics if a promise is broken.
//!
//! `make fuzz` runs them under cargo-fuzz, which looks for bytes that reach new code and keeps them in `corpus/`;
//! `tests/it` repeats what is kept, and changes of it.

#![allow(
    clippy::expect_used,
    reason = "a broken promise is to end the run, with its name"
)]

mod cursor;
mod event;
mod idempotency_key;
mod import_lines;
mod notification;
mod part_list;
mod problem;

/// A function under its name, which is its folder's in `corpus/` and its program's in `guided/fuzz_targets/`.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 7] = [
    ("cursor", cursor::cursor),
    ("event", event::event),
    ("idempotency_key", idempotency_key::idempotency_key),
    ("import_lines", import_lines::import_lines),
    ("notification", notification::notification),
    ("part_list", part_list::part_list),
    ("problem", problem::problem),
];

pub use cursor::cursor;
pub use event::event;
pub use idempotency_key::idempotency_key;
pub use import_lines::import_lines;
pub use notification::notification;
pub use part_list::part_list;
pub use problem::problem;
