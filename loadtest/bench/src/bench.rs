//! How a row is measured: in rounds, each measurement kept as soon as it is known.

use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    installation::backing_services,
    measurement::{Found, Measurement, Results},
    peers::peer,
    processes::{Watch, Watched},
    rows::Row,
};

/// A run of the benchmark.
#[derive(Debug, Clone)]
pub struct Bench {
    pub results: Results,
    pub rounds: u32,
    /// In how many of the rounds peers are measured: each takes minutes.
    pub peer_rounds: u32,
    pub quick: bool,
}

/// Which measurement it is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub row: &'a str,
    pub round: u32,
    pub what: &'a str,
}

impl Bench {
    pub fn rounds(&self) -> RangeInclusive<u32> {
        1..=self.rounds
    }

    /// How long one measurement of steady work takes.
    pub fn steady(&self) -> Duration {
        Duration::from_secs(if self.quick { 4 } else { 6 })
    }

    /// How long Kafka works before anything is measured.
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs(if self.quick { 5 } else { 60 })
    }

    /// How long one try takes that finds out the best number of clients.
    pub fn trial(&self) -> Duration {
        Duration::from_secs(if self.quick { 2 } else { 3 })
    }

    /// One number for a quick reading, another for a result.
    pub fn sized(&self, quick: usize, whole: usize) -> usize {
        if self.quick { quick } else { whole }
    }

    /// Whether every round of the row is there already.
    pub fn is_complete(&self, row: &Row) -> Result<bool> {
        for round in self.rounds() {
            let peers = row.peers.iter().filter(|_| round <= self.peer_rounds);
            for what in row.measures.iter().chain(peers) {
                if self.results.read(row.name, round, what)?.is_none() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Measures a peer, in the rounds that have any. The measure is called `peer-<name>`.
    pub async fn measure_peer(&self, row: &str, round: u32, what: &str, arguments: &[String]) -> Result<()> {
        if round > self.peer_rounds {
            return Ok(());
        }
        let name = what.strip_prefix("peer-").unwrap_or(what);
        let place = Place { row, round, what };
        self.measure(place, backing_services(), peer(name, arguments))
            .await
            .map(drop)
    }

    /// Measures what was not measured yet, while looking at these processes, and keeps it.
    ///
    /// # Errors
    /// The measure's own; one of the processes has ended.
    pub async fn measure(
        &self,
        place: Place<'_>,
        watched: Vec<Watched>,
        measure: impl Future<Output = Result<Found>>,
    ) -> Result<Measurement> {
        let Place { row, round, what } = place;
        if let Some(known) = self.results.read(row, round, what)? {
            return Ok(known);
        }
        let at = OffsetDateTime::now_utc().format(&Rfc3339)?;
        let (watch, began) = (Watch::start(watched)?, Instant::now());
        let found = measure
            .await
            .and_then(Found::checked)
            .with_context(|| format!("{row}, round {round}, {what}"))?;
        let measurement = Measurement {
            row: row.to_owned(),
            what: what.to_owned(),
            round,
            quick: self.quick,
            at,
            seconds: began.elapsed().as_secs_f64(),
            values: found.values,
            curves: found.curves,
            not_measured: found.not_measured,
            processes: watch.end()?.into_iter().chain(found.processes).collect(),
        };
        self.results.write(&measurement)?;
        println!("{}", line(&measurement));
        Ok(measurement)
    }

    /// Tries each number of clients for a short time, and answers the one with the most work done a second. A number at
    /// which something was refused is taken only if all are such.
    pub async fn best_clients<F>(
        &self,
        row: &str,
        what: &str,
        numbers: &[usize],
        mut attempt: impl FnMut(usize) -> F,
    ) -> Result<usize>
    where
        F: Future<Output = Result<Found>>,
    {
        let mut best: Option<(bool, f64, usize)> = None;
        for &clients in numbers {
            let name = format!("{what}-by-{clients}");
            let place = Place {
                row,
                round: 0,
                what: &name,
            };
            let tried = self.measure(place, Vec::new(), attempt(clients)).await?;
            let value = |name: &str| tried.values.get(name).copied().unwrap_or_default();
            let candidate = (value("refused") == 0.0, value("per_second"), clients);
            if best.is_none_or(|(clean, rate, _)| (clean, rate) < (candidate.0, candidate.1)) {
                best = Some(candidate);
            }
        }
        best.map(|(_, _, clients)| clients)
            .context("no number of clients was tried")
    }
}

fn line(measurement: &Measurement) -> String {
    let Measurement { row, round, what, .. } = measurement;
    let mut text = format!("{row:<20} {round:>2} {what:<20}");
    if let Some(reason) = &measurement.not_measured {
        return text + "  not measured: " + reason;
    }
    for (name, value) in &measurement.values {
        text += &format!("  {name} {value:.2}");
    }
    text
}
