use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result};
use depot_end_to_end::Folder;
use tokio::process::Command;

use super::{number_after, output};
use crate::{latencies::Latencies, measurement::Found};

/// Starting and ending connections, and a pace that is still being caught up with.
const GRACE: Duration = Duration::from_secs(60);
static RUNS: AtomicU32 = AtomicU32::new(1);

/// A script of `loadtest/bench/sql` on a database, with the variables that it names.
#[derive(Debug, Clone)]
pub struct Pgbench {
    url: String,
    script: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Pgbench {
    pub fn new(url: &str, script: &str, variables: &[(&'static str, String)]) -> Self {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/sql"));
        Self {
            url: url.to_owned(),
            script: folder.join(script),
            variables: variables.to_vec(),
        }
    }

    /// As fast as so many clients can, with prepared statements.
    pub async fn saturate(&self, clients: usize, lasting: Duration) -> Result<Found> {
        let printed = output(self.command(clients, lasting), lasting + GRACE).await?;
        let found = Found::values([("clients", clients as f64)]);
        if number_after(&printed, "number of transactions actually processed: ")? == 0.0 {
            // So many clients were not even connected before the time was over.
            return Ok(found.and("per_second", 0.0));
        }
        Ok(found
            .and("per_second", number_after(&printed, "\ntps = ")?)
            .and("mean_ms", number_after(&printed, "\nlatency average = ")?)
            .and(
                "refused",
                number_after(&printed, "number of failed transactions: ")?,
            ))
    }

    /// At a rate that does not wait for answers: each latency counts from the moment at which it was due.
    pub async fn at_rate(&self, clients: usize, per_second: f64, lasting: Duration) -> Result<Found> {
        let folder = Folder::new()?;
        let mut command = self.command(clients, lasting);
        command
            .arg(format!("--rate={per_second}"))
            .arg("--log")
            .arg(format!("--log-prefix={}", folder.0.join("log").display()));
        let printed = output(command, lasting + GRACE).await?;
        let mut latencies = Latencies::default();
        for entry in std::fs::read_dir(&folder.0)? {
            read_log(&std::fs::read_to_string(entry?.path())?, &mut latencies)?;
        }
        let [p50, p99, max] = latencies.percentiles([50.0, 99.0, 100.0]);
        Ok(Found::values([
            ("clients", clients as f64),
            ("rate", per_second),
            ("per_second", number_after(&printed, "\ntps = ")?),
            ("p50_ms", p50),
            ("p99_ms", p99),
            ("max_ms", max),
        ])
        .with_curve("latency_ms_by_percentile", latencies.curve()))
    }

    fn command(&self, clients: usize, lasting: Duration) -> Command {
        let mut command = Command::new("pgbench");
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        command
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
            .arg(format!("--client={clients}"))
            .arg(format!("--time={}", lasting.as_secs().max(1)))
            .arg(format!("--file={}", self.script.display()))
            .args(["-D", "n=0", "-D"])
            .arg(format!("run={run}"));
        for (name, value) in &self.variables {
            command.arg("-D").arg(format!("{name}={value}"));
        }
        command.arg(&self.url);
        command
    }
}

/// Lines of `client transaction latency …`, the latency in microseconds.
fn read_log(log: &str, latencies: &mut Latencies) -> Result<()> {
    for line in log.lines() {
        let latency = line
            .split(' ')
            .nth(2)
            .context("a line of the log has a latency")?;
        // A transaction that failed or was skipped has a word there.
        if let Ok(microseconds) = latency.parse() {
            latencies.push(Duration::from_micros(microseconds));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_latencies_in_microseconds() {
        let mut latencies = Latencies::default();
        read_log(
            "0 1 2500 0 1700000000 1 12\n1 1 3500 0 1700000000 2 8\n",
            &mut latencies,
        )
        .unwrap();
        assert_eq!(latencies.percentiles([50.0, 100.0]), [2.5, 3.5]);
    }
}
