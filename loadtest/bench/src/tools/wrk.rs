use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use super::{number_after, output};
use crate::measurement::Found;

const GRACE: Duration = Duration::from_secs(20);

/// GETs of one URL on so many connections, as fast as they are answered.
pub async fn wrk(url: &str, token: &str, connections: usize, lasting: Duration) -> Result<Found> {
    let mut command = Command::new("wrk");
    command
        .args(["-t2", "--latency", "--timeout", "10s"])
        .arg(format!("-c{connections}"))
        .arg(format!("-d{}s", lasting.as_secs().max(1)))
        .arg("-H")
        .arg(format!("Authorization: Bearer {token}"))
        .arg(url);
    parse(&output(command, lasting + GRACE).await?, connections)
}

fn parse(printed: &str, connections: usize) -> Result<Found> {
    let refused = match printed.contains("Non-2xx or 3xx responses:") {
        true => number_after(printed, "Non-2xx or 3xx responses:")?,
        false => 0.0,
    };
    Ok(Found::values([
        ("connections", connections as f64),
        ("per_second", number_after(printed, "Requests/sec:")?),
        ("refused", refused),
        ("p50_ms", percentile(printed, "50%")?),
        ("p99_ms", percentile(printed, "99%")?),
    ]))
}

fn percentile(printed: &str, name: &str) -> Result<f64> {
    let mut lines = printed.lines().map(str::trim);
    let line = lines.find_map(|line| line.strip_prefix(name));
    let text = line.with_context(|| format!("no {name} in:\n{printed}"))?.trim();
    for (unit, milliseconds) in [("us", 0.001), ("ms", 1.0), ("s", 1000.0)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * milliseconds);
        }
    }
    bail!("{text:?} is no time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints_is_read() {
        let printed = "  Latency Distribution\n     50%  635.00us\n     75%    1.02ms\n     99%    1.50s \n  \
                       10 requests in 1.00s\n  Non-2xx or 3xx responses: 3\nRequests/sec:   9876.54\n";
        let found = parse(printed, 8).unwrap();
        assert_eq!(found.get("per_second").unwrap(), 9876.54);
        assert_eq!(found.get("p50_ms").unwrap(), 0.635);
        assert_eq!(found.get("p99_ms").unwrap(), 1500.0);
        assert_eq!(found.get("refused").unwrap(), 3.0);
    }
}
