//! `depot upload`: a file from this machine to an item, in parts where it is large, and again from where it was cut off.
//!
//! What was sent is not remembered here but asked of the server: a small file beside the user's other state only keeps
//! which upload a file belongs to. In order of reading: `journey.rs`, `send.rs`, `api.rs`.

mod api;
mod error;
mod journey;
mod progress;
mod send;
mod source;
mod state;

use std::{path::PathBuf, process::ExitCode};

use serde::Serialize;
use serde_json::{Map, json};
use uuid::Uuid;

use self::error::UploadError;
use crate::{help, output};

const AFTER_HELP: &str = "\
Exit codes:
  0    stored, or received with --no-wait
  1    something did not answer in time: the same command goes on from there
  2    wrong usage
  3    not accepted: the upload ended as rejected, expired, aborted or removed
  4    refused: token, item, quota, or the file itself; another try changes nothing
  130  interrupted (^C): the same command goes on from there

The token comes from DEPOT_TOKEN, the addresses from COMMAND_PUBLIC_URL and QUERY_PUBLIC_URL.";

/// Sends a file to an item, and waits until it is stored and attached.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(AFTER_HELP, &[
    "depot upload film.mp4 --item 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f --content-type video/mp4",
]))]
pub struct Arguments {
    /// The file to send.
    file: PathBuf,
    /// The item that it is attached to.
    #[arg(long)]
    item: Uuid,
    /// The name that it is downloaded under; the file's own unless told.
    #[arg(long)]
    name: Option<String>,
    /// Its media type.
    #[arg(long, default_value = "application/octet-stream")]
    content_type: String,
    /// Go on with this upload, whatever this machine remembers.
    #[arg(long, value_name = "UPLOAD", conflicts_with = "new")]
    resume: Option<Uuid>,
    /// Begin a new upload, even if one of this file was cut off before.
    #[arg(long)]
    new: bool,
    /// Parts that are sent at once.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    parallel: u8,
    /// Send the file through the API instead of to the object store.
    #[arg(long)]
    through_api: bool,
    /// End when the file is received, before it is verified and stored.
    #[arg(long)]
    no_wait: bool,
    /// Print what came of it as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub upload_id: Uuid,
    pub item_id: Uuid,
    /// `stored`, or `received` where its end was not waited for.
    pub status: String,
    pub size_bytes: u64,
    pub sha256: String,
    /// Parts that were sent now; none where the file was sent whole.
    pub parts_sent: u32,
    /// Parts that had been sent before.
    pub parts_found: u32,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let mut known = None;
    match journey::travel(arguments, &mut known).await {
        Ok(outcome) if arguments.json => output::end_json(&outcome, 0),
        Ok(outcome) => output::end(&format!("{} {}\n", outcome.status, outcome.upload_id), 0),
        Err(error) => fail(arguments, &error, known),
    }
}

fn fail(arguments: &Arguments, error: &UploadError, upload_id: Option<Uuid>) -> ExitCode {
    let (text, exit_code) = (depot_service::problem::chain(error), error.exit_code());
    if arguments.json {
        let upload = Map::from_iter([("upload_id".to_owned(), json!(upload_id))]);
        return output::fail_with(true, &text, exit_code, upload);
    }
    let ended = output::fail(false, &text, exit_code);
    if let (Some(id), true) = (upload_id, error.may_go_on()) {
        eprintln!("the same command goes on from there, and so does --resume {id} on another machine");
    }
    ended
}
