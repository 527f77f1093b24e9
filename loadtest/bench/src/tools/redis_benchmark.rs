use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use super::output;
use crate::measurement::Found;

const LIMIT: Duration = Duration::from_secs(120);

/// So many GETs of one key of a Redis at `host:port`, by so many clients.
pub async fn redis_get(address: &str, key: &str, clients: usize, requests: usize) -> Result<Found> {
    let (host, port) = address.rsplit_once(':').context("an address has a port")?;
    let mut command = Command::new("redis-benchmark");
    command
        .args(["-h", host, "-p", port, "--csv", "-c"])
        .arg(clients.to_string())
        .arg("-n")
        .arg(requests.to_string())
        .args(["GET", key]);
    parse(&output(command, LIMIT).await?, clients)
}

/// `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms",…`
fn parse(printed: &str, clients: usize) -> Result<Found> {
    let line = printed.lines().last().context("it printed nothing")?;
    // The command comes first, and may hold commas; what follows are numbers.
    let fields: Vec<&str> = line.rsplit("\",\"").collect();
    let from_behind = |place: usize| -> Result<f64> {
        let text = fields
            .get(place)
            .with_context(|| format!("too few fields: {line}"))?;
        Ok(text.trim_matches('"').parse()?)
    };
    Ok(Found::values([
        ("clients", clients as f64),
        ("per_second", from_behind(6)?),
        ("p50_ms", from_behind(3)?),
        ("p99_ms", from_behind(1)?),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_benchmark_prints_is_read() {
        let printed = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\
                       \"p99_latency_ms\",\"max_latency_ms\"\n\
                       \"GET k\",\"90909.09\",\"0.3\",\"0.1\",\"0.2\",\"0.4\",\"0.6\",\"1.5\"\n";
        let found = parse(printed, 8).unwrap();
        assert_eq!(found.get("per_second").unwrap(), 90909.09);
        assert_eq!(found.get("p50_ms").unwrap(), 0.2);
        assert_eq!(found.get("p99_ms").unwrap(), 0.6);
    }
}
