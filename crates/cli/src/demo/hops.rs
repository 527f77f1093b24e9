use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use serde_json::{Value, json};

/// No hop takes longer on a healthy system; a stopped service is named within a minute.
const HOP_DEADLINE: Duration = Duration::from_secs(20);

struct Hop {
    service: &'static str,
    name: String,
    took: Duration,
    passed: bool,
}

/// The hops of the demo and how long each took.
#[derive(Default)]
pub struct Hops(Vec<Hop>);

impl Hops {
    /// Runs one hop. `service` is whose work it waits for: it is named if the hop fails.
    pub async fn run<T>(
        &mut self,
        service: &'static str,
        name: &str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K… {name}");
            std::io::stderr().flush().context("show progress")?;
        }
        let start = Instant::now();
        let outcome = match tokio::time::timeout(HOP_DEADLINE, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow!("nothing happened within {} s", HOP_DEADLINE.as_secs())),
        };
        let passed = outcome.is_ok();
        self.0.push(Hop {
            service,
            name: name.to_owned(),
            took: start.elapsed(),
            passed,
        });
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
        outcome.with_context(|| {
            format!("hop `{name}` failed: is {service} running? See `make status` and `make logs`")
        })
    }

    /// A line each.
    pub fn table(&self) -> String {
        let mut table = format!("{:<44} {:<16} {:>12}\n", "hop", "done by", "took");
        for Hop {
            service,
            name,
            took,
            passed,
        } in &self.0
        {
            let mark = if *passed { "" } else { "  FAILED" };
            let millis = took.as_secs_f64() * 1000.0;
            table.push_str(&format!("{name:<44} {service:<16} {millis:>9.1} ms{mark}\n"));
        }
        table
    }

    pub fn as_json(&self) -> Value {
        let hop = |hop: &Hop| {
            let took_ms = hop.took.as_secs_f64() * 1000.0;
            json!({ "hop": hop.name, "service": hop.service, "took_ms": took_ms, "is_passed": hop.passed })
        };
        self.0.iter().map(hop).collect()
    }
}
