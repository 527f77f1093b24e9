//! What a process tells of itself to who shows all of them: who it is, what it waits for, and the figures that are chosen
//! from its metrics. `GET /heartbeat` of the admin port, asked for several times a second while somebody looks.
//!
//! The figures are those of `/metrics`, read from the same recorder: nothing is measured twice, and counters stay counters, of
//! which who asks makes rates.

mod figure;
mod sample;
mod watch;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::health::Waiting;

pub use figure::{Figure, Fold};
pub(crate) use watch::Pulse;

/// Where it is told.
pub const PATH: &str = "/heartbeat";
/// The longest that it waits for the checks of readiness; then it tells that they have not answered.
pub const CHECKS_WITHIN: std::time::Duration = std::time::Duration::from_millis(400);

/// One process at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Such as `projector`.
    pub service: String,
    /// See [`instance_name`](crate::process::instance_name).
    pub instance: String,
    /// Of the program.
    pub version: String,
    /// When the process began.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// Whether it takes work.
    pub ready: bool,
    /// Whether it is ending.
    pub draining: bool,
    /// What is not there.
    pub waiting_for: Vec<Waiting>,
    /// What was chosen of its metrics.
    pub figures: Vec<Value>,
    /// Settings that matter to who looks; no secret.
    pub settings: BTreeMap<String, String>,
}

/// One number, under the name and the labels of its metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// The metric's name, as Prometheus reads it.
    pub name: String,
    /// Those labels by which it is kept apart.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Of a counter since the process began.
    pub value: f64,
}

/// What a service tells besides what all do.
#[derive(Debug, Clone)]
pub struct Vitals {
    /// Its name.
    pub service: &'static str,
    /// What is chosen of its metrics.
    pub figures: &'static [Figure],
    /// Names as in its environment, without the prefix. No secret goes in here.
    pub settings: Vec<(&'static str, String)>,
}
