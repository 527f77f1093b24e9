//! Standard output, and how a command ends. Who has read enough (`depot … | head`) closes it, which is no fault.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use serde::Serialize;
use serde_json::{Map, Value, json};

/// For what is done or not, and for an output that nothing can be written to.
pub const NOT_DONE: u8 = 1;

/// Writes text at once. False if nobody reads it any more.
///
/// # Errors
/// It cannot be written for another reason, such as a full disk.
pub fn write(text: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Prints the last that a command has to say, and ends with that code; with 1 where it cannot be printed.
pub fn end(text: &str, exit_code: u8) -> ExitCode {
    match write(text) {
        Ok(_) => ExitCode::from(exit_code),
        Err(error) => {
            eprintln!("error: standard output: {error}");
            ExitCode::from(NOT_DONE)
        }
    }
}

/// The same for a value, as one line of JSON.
pub fn end_json(value: &impl Serialize, exit_code: u8) -> ExitCode {
    match serde_json::to_string(value) {
        Ok(text) => end(&format!("{text}\n"), exit_code),
        Err(error) => {
            eprintln!("error: what came of it cannot be printed: {error}");
            ExitCode::from(NOT_DONE)
        }
    }
}

/// Says why something was not done, and ends: as an object on standard output for programs, for people on standard error.
pub fn fail(is_json: bool, error: &str, exit_code: u8) -> ExitCode {
    fail_with(is_json, error, exit_code, Map::new())
}

/// The same, with more members for programs.
pub fn fail_with(is_json: bool, error: &str, exit_code: u8, more: Map<String, Value>) -> ExitCode {
    if !is_json {
        eprintln!("error: {error}");
        return ExitCode::from(exit_code);
    }
    let mut failure = json!({ "error": error, "exit_code": exit_code });
    if let Some(members) = failure.as_object_mut() {
        members.extend(more);
    }
    end(&format!("{failure}\n"), exit_code)
}

/// Prints what was done, as one line of JSON or by `text`, or why it was not, and ends.
pub fn finish(is_json: bool, done: anyhow::Result<Value>, text: impl FnOnce(&Value) -> String) -> ExitCode {
    match done {
        Ok(done) if is_json => end_json(&done, 0),
        Ok(done) => end(&text(&done), 0),
        Err(error) => fail(is_json, &format!("{error:#}"), NOT_DONE),
    }
}

/// What a command takes that has nothing else to be told.
#[derive(Debug, clap::Args)]
pub struct OnlyJson {
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
