//! The load generators and limits that are programs of others, one a file.

mod pgbench;
mod redis_benchmark;
mod vegeta;
mod wrk;

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

pub use pgbench::Pgbench;
pub use redis_benchmark::redis_get;
pub use vegeta::{Target, vegeta};
pub use wrk::wrk;

/// Runs a program to its end, within a time; what it printed.
pub async fn output(mut command: Command, within: Duration) -> Result<String> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let child = command.spawn();
    let child = child.with_context(|| format!("{program}: `deploy/native/install.sh load` installs it"))?;
    let output = tokio::time::timeout(within, child.wait_with_output()).await;
    let output = output.with_context(|| format!("{program} has not ended within {within:?}"))??;
    ensure!(
        output.status.success(),
        "{program}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// The number that follows a text, up to the next blank.
fn number_after(text: &str, before: &str) -> Result<f64> {
    let (_, rest) = text
        .split_once(before)
        .with_context(|| format!("no {before:?} in:\n{text}"))?;
    let word = rest.split_whitespace().next().unwrap_or_default();
    word.trim_end_matches(',')
        .parse()
        .with_context(|| format!("no number behind {before:?} in:\n{text}"))
}
