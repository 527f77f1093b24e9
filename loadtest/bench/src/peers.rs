//! What a user would pick instead: programs apart from the product, each behind a script of loadtest/peers.

use std::{collections::BTreeMap, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::measurement::Found;

/// Its start, warming up, a minute of steady work, and its end.
const LIMIT: Duration = Duration::from_secs(600);
/// EX_UNAVAILABLE: it cannot be had on this machine.
const NOT_TO_BE_HAD: i32 = 69;

/// Runs `loadtest/peers/<name>/peer.sh`, which prints one line of JSON; its numbers are the figures, and what it calls
/// `events_per_second` is `per_second` here.
pub async fn peer(name: &str, arguments: &[String]) -> Result<Found> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../peers/{name}/peer.sh"));
    if !script.exists() {
        return Ok(Found::not_measured(format!(
            "loadtest/peers/{name}/peer.sh is not there"
        )));
    }
    let child = Command::new(&script)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| script.display().to_string())?;
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
    let output = output.with_context(|| format!("{name} has not ended within {LIMIT:?}"))??;
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NOT_TO_BE_HAD) {
        return Ok(Found::not_measured(
            errors.lines().last().unwrap_or("it cannot be had"),
        ));
    }
    ensure!(
        output.status.success(),
        "{name} {arguments:?}: {}\n{errors}",
        output.status
    );
    parse(&String::from_utf8(output.stdout)?)
}

fn parse(printed: &str) -> Result<Found> {
    let line = printed.lines().last().context("it printed nothing")?;
    let members: BTreeMap<String, Value> = serde_json::from_str(line).context("its last line is no JSON")?;
    let mut found = Found::default();
    for (name, value) in members {
        if let Some(number) = value.as_f64() {
            let name = if name == "events_per_second" {
                "per_second"
            } else {
                &name
            };
            found = found.and(name, number);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_says_its_figures_in_its_last_line() {
        let printed = "starting\n{\"peer\":\"x\",\"events_per_second\":1234.5,\"rss_peak_bytes\":1000}\n";
        let found = parse(printed).unwrap();
        assert_eq!(found.get("per_second").unwrap(), 1234.5);
        assert_eq!(found.get("rss_peak_bytes").unwrap(), 1000.0);
    }

    #[tokio::test]
    async fn a_peer_that_is_not_there_was_not_measured() {
        let found = peer("none-of-that-name", &[]).await.unwrap();
        assert!(found.not_measured.is_some());
    }
}
