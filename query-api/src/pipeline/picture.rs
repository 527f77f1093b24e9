//! What is shown, as it is answered.

use std::collections::BTreeMap;

use depot_service::health::Waiting;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Everything, at one moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Picture {
    /// When it was put together.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The process that answers.
    pub answered_by: String,
    /// In the order in which an event passes them.
    pub stages: Vec<StagePicture>,
    /// Letters that nobody has dealt with.
    pub dead_letters: Vec<DeadLetters>,
    /// Sagas that have not ended.
    pub sagas: Vec<SagaCount>,
    pub series: Series,
}

/// The parts of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StageName {
    CommandApi,
    Outbox,
    Kafka,
    Projector,
    Uploader,
    Saga,
    DeadLetters,
    Views,
    Cache,
    Objects,
    QueryApi,
}

/// From good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageState {
    Ok,
    Degraded,
    Down,
}

/// One part.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StagePicture {
    pub name: StageName,
    pub title: &'static str,
    pub state: StageState,
    /// None where it is ok.
    pub reason: Option<String>,
    /// Since when it is in this state.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// The file in the repository to begin to read at.
    pub source: &'static str,
    /// Processes of it; none where it is no process of this system.
    pub instances: Vec<ServiceInstance>,
    pub figures: Vec<StageFigure>,
    pub settings: Vec<StageSetting>,
    /// When its state changed, the newest first; at most 20.
    pub events: Vec<StageEvent>,
}

/// One process.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServiceInstance {
    /// None if it was never heard.
    pub instance: Option<String>,
    /// Of its admin port.
    pub address: String,
    pub version: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_seen: Option<OffsetDateTime>,
    /// For how long nothing was heard of it.
    pub silent_ms: u64,
    pub state: StageState,
    /// Why it does not answer, or takes no work.
    pub reason: Option<String>,
    pub draining: bool,
    pub waiting_for: Vec<Waiting>,
    /// Shards of the outbox that it publishes, where it does.
    pub shards_held: Option<f64>,
    pub epoch_max: Option<f64>,
    /// Its own part of the stage's rates.
    pub figures: BTreeMap<&'static str, Option<f64>>,
}

/// A number of a stage.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StageFigure {
    pub name: &'static str,
    pub label: &'static str,
    pub unit: Unit,
    /// None where it is not known.
    pub value: Option<f64>,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    PerSecond,
    BytesPerSecond,
    Ms,
    Seconds,
    Count,
    Percent,
}

/// A variable of the environment, or its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StageSetting {
    pub name: String,
    pub value: String,
}

/// A change of state.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StageEvent {
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub state: StageState,
    pub reason: Option<String>,
}

/// Letters of one group and one topic.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeadLetters {
    pub group: String,
    pub topic: String,
    pub open: f64,
    pub oldest_seconds: Option<f64>,
}

/// Sagas of one kind in one state.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SagaCount {
    pub saga: String,
    /// `running`, `compensating` or `stuck`.
    pub state: String,
    pub open: f64,
}

/// The main figures over the last quarter of an hour.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Series {
    pub step_seconds: u64,
    /// RFC 3339, the oldest first.
    pub at: Vec<String>,
    /// By name, each as long as `at`; null where it was not known.
    pub of: BTreeMap<&'static str, Vec<Option<f64>>>,
}
