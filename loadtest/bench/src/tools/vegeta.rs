use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use anyhow::{Context as _, Result};
use depot_end_to_end::Folder;
use tokio::process::Command;

use super::output;
use crate::{latencies::Latencies, measurement::Found};

const GRACE: Duration = Duration::from_secs(60);

/// A request of an attack.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Target {
    pub method: &'static str,
    pub url: String,
    pub header: BTreeMap<&'static str, Vec<String>>,
    /// Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// Requests at a constant rate, each once, whether or not those before are answered; latencies count from the moment at
/// which a request is sent, and vegeta sends as many at a time as the rate asks for.
pub async fn vegeta(
    targets: impl Iterator<Item = Target>,
    per_second: f64,
    lasting: Duration,
) -> Result<Found> {
    let folder = Folder::new()?;
    let (file, results) = (folder.0.join("targets.json"), folder.0.join("results.bin"));
    // One more than is sent: an attack that runs out of targets begins again at the first, whose key is used.
    let count = (per_second * lasting.as_secs_f64()) as usize + 1;
    let mut text = String::new();
    for target in targets.take(count) {
        writeln!(text, "{}", serde_json::to_string(&target)?)?;
    }
    std::fs::write(&file, text)?;
    let mut attack = Command::new("vegeta");
    attack
        .args(["attack", "-format=json", "-timeout=30s", "-max-body=0"])
        .arg(format!("-targets={}", file.display()))
        .arg(format!("-rate={}/60s", (per_second * 60.0).round()))
        .arg(format!("-duration={}s", lasting.as_secs()))
        .arg(format!("-output={}", results.display()));
    output(attack, lasting + GRACE).await?;
    let mut encode = Command::new("vegeta");
    encode.args(["encode", "-to=csv"]).arg(&results);
    read(&output(encode, GRACE).await?, per_second)
}

/// Lines of `begin,code,latency,…`, times in nanoseconds.
fn read(csv: &str, rate: f64) -> Result<Found> {
    let (mut latencies, mut refused, mut begins, mut over_time) =
        (Latencies::default(), 0.0, Vec::new(), Vec::new());
    for line in csv.lines() {
        let mut fields = line.split(',');
        let mut field = || fields.next().with_context(|| format!("a line is short: {line}"));
        let (begin, code, latency): (u64, u16, u64) =
            (field()?.parse()?, field()?.parse()?, field()?.parse()?);
        latencies.push(Duration::from_nanos(latency));
        refused += f64::from(u8::from(!(200..300).contains(&code)));
        begins.push(begin);
        over_time.push((begin, latency as f64 / 1e6));
    }
    let first = begins.iter().min().copied().context("nothing was sent")?;
    let last = begins.iter().max().copied().unwrap_or(first);
    let [p50, p99, max] = latencies.percentiles([50.0, 99.0, 100.0]);
    let seconds = (last - first).max(1) as f64 / 1e9;
    Ok(Found::values([
        ("rate", rate),
        ("per_second", latencies.count() as f64 / seconds),
        ("refused", refused),
        ("p50_ms", p50),
        ("p99_ms", p99),
        ("max_ms", max),
    ])
    .with_curve("latency_ms_by_percentile", latencies.curve())
    .with_curve("worst_latency_ms_over_time", worst_over_time(&over_time, first)))
}

/// The worst latency of each quarter of a second.
fn worst_over_time(over_time: &[(u64, f64)], first: u64) -> Vec<(f64, f64)> {
    let mut worst: BTreeMap<u64, f64> = BTreeMap::new();
    for (begin, latency) in over_time {
        let at = worst.entry((begin - first) / 250_000_000).or_default();
        *at = at.max(*latency);
    }
    worst
        .into_iter()
        .map(|(quarter, worst)| (quarter as f64 / 4.0, worst))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vegeta_encodes_is_read() {
        let csv =
            "1000000000,201,2000000,0,0,,x\n1500000000,503,4000000,0,0,,x\n2000000000,201,3000000,0,0,,x\n";
        let found = read(csv, 2.0).unwrap();
        assert_eq!(found.get("p50_ms").unwrap(), 3.0);
        assert_eq!(found.get("refused").unwrap(), 1.0);
        assert_eq!(
            found.curves["worst_latency_ms_over_time"],
            [(0.0, 2.0), (0.5, 4.0), (1.0, 3.0)]
        );
    }
}
