//! Moves files from staging into the bucket of files: verified, each content once, and with the outcome told.
//!
//! In order of reading: `handler.rs` (what an event asks for), `store_upload.rs` (`verify.rs`,
//! `inspect.rs`, `scan.rs`, `derive_thumbnail.rs`, `contents.rs`, `conclude.rs`), `remove_upload.rs` (let go), `sweep.rs`
//! (what a crash left behind), `admin.rs` (what operators and command-api ask).

mod admin;
mod answer_again;
mod application;
mod assemble;
mod clamd;
mod conclude;
mod config;
mod content_type;
mod contents;
mod derive_thumbnail;
mod error;
mod facts;
mod fail_point;
mod files;
mod forget;
mod handler;
mod inspect;
mod metrics;
mod object_key;
mod objects;
mod parked_keys;
mod receipts;
mod remove_upload;
mod scan;
mod scanner;
mod store_upload;
mod sweep;
mod sweep_multiparts;
mod sweep_objects;
mod sweep_rows;
mod sweep_staging;
mod thumbnail;
mod verify;
mod vitals;

pub use application::{Application, BuildError};
pub use clamd::{ClamdError, ClamdSettings};
pub use config::{Config, SweepConfig};
pub use derive_thumbnail::{ThumbnailLimits, Thumbnails};
pub use error::UploaderError;
pub use files::Files;
pub use forget::forget;
pub use handler::{Asked, UploadEvents};
pub use parked_keys::ParkedUploads;
pub use remove_upload::remove_upload;
pub use scanner::Scanner;
pub use store_upload::{Stored, store_upload};
pub use sweep::{SweepError, SweepOptions, sweep};
pub use verify::{Rejection, Verified, verify};
