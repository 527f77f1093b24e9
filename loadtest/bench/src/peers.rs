//! What a user would pick instead: programs apart from the product, each behind a script of loadtest/peers.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use depot_test_stack::settings;
use serde_json::{Map, Value};
use tokio::process::Command;

use crate::measurement::Found;

/// Longer than what takes longest: a heap that is made smaller step by step, each with a warm-up and half a minute of work.
const LIMIT: Duration = Duration::from_secs(3600);
/// EX_UNAVAILABLE: it cannot be had on this machine.
const NOT_TO_BE_HAD: i32 = 69;

/// Runs `loadtest/peers/<name>/peer.sh` as the superuser of the private Postgres, whose last line is JSON; its numbers are the
/// figures, and what it calls `events_per_second` is `per_second` here. Of several heaps the smallest that serves counts.
pub async fn peer(name: &str, arguments: &[String]) -> Result<Found> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../peers/{name}/peer.sh"));
    if !script.exists() {
        return Ok(Found::not_measured(format!(
            "loadtest/peers/{name}/peer.sh is not there"
        )));
    }
    let child = Command::new(&script)
        .args(arguments)
        .env("DATABASE_URL", database_url()?)
        .env("KAFKA_BROKERS", settings().kafka_brokers())
        // Of the heaps that Debezium would try one after the other, each with minutes of its own.
        .env("PEER_HEAPS", "1g 256m 128m 96m")
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

/// A peer makes a publication and a slot of its own, which the owner of the databases may not.
fn database_url() -> Result<String> {
    let owner = settings().get("MIGRATE_DATABASE_URL");
    let Some(stack) = std::env::var_os("STACK_DIR") else {
        return Ok(owner.to_owned());
    };
    let file = PathBuf::from(stack).join("postgres.password");
    let password = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let (_, place) = owner.rsplit_once('@').context("the owner's URL names a host")?;
    Ok(format!("postgres://postgres:{}@{place}", password.trim()))
}

fn parse(printed: &str) -> Result<Found> {
    let line = printed.lines().last().context("it printed nothing")?;
    let members: Map<String, Value> = serde_json::from_str(line).context("its last line is no JSON")?;
    let smallest = members.get("smallest").and_then(Value::as_object);
    let mut found = Found::default();
    for (name, value) in smallest.unwrap_or(&members) {
        if let Some(number) = value.as_f64() {
            let name = if name == "events_per_second" {
                "per_second"
            } else {
                name
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

    #[test]
    fn of_several_heaps_the_smallest_that_serves_counts() {
        let printed = "{\"rate_share\":0.9,\"smallest\":{\"events_per_second\":10,\"rss_peak_bytes\":7}}";
        let found = parse(printed).unwrap();
        assert_eq!(found.get("rss_peak_bytes").unwrap(), 7.0);
        assert_eq!(found.get("per_second").unwrap(), 10.0);
    }

    #[tokio::test]
    async fn a_peer_that_is_not_there_was_not_measured() {
        let found = peer("none-of-that-name", &[]).await.unwrap();
        assert!(found.not_measured.is_some());
    }
}
