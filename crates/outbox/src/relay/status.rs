use tokio::sync::watch;

/// What a relay is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RelayState {
    /// Its database has not answered yet.
    #[default]
    Starting,
    Running,
    /// It goes on by itself once what it says has passed.
    Waiting(String),
    /// It does nothing until somebody has acted.
    Refusing(String),
    Ended,
}

/// A relay's state at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayStatus {
    pub state: RelayState,
    pub shards_held: usize,
    /// Relays that share the outbox, this one included.
    pub relays_alive: i64,
    /// Rows read and not yet acknowledged.
    pub rows_in_flight: usize,
    pub parked_aggregates: usize,
    /// Rows acknowledged since the relay was started.
    pub rows_published: u64,
    /// What the Kafka client last found wrong, until the next good report.
    pub broker_fault: Option<String>,
}

/// Looks at a relay from outside. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RelayHandle {
    status: watch::Receiver<RelayStatus>,
}

impl RelayHandle {
    pub(crate) fn new(status: watch::Receiver<RelayStatus>) -> Self {
        Self { status }
    }

    pub fn status(&self) -> RelayStatus {
        self.status.borrow().clone()
    }

    /// Whether the service may take commands as far as the relay is concerned. Kafka being away is no reason not to:
    /// the outbox grows and drains by itself; see `broker_fault`.
    ///
    /// # Errors
    /// What it waits for, in words.
    pub fn readiness(&self) -> Result<(), String> {
        match &self.status.borrow().state {
            RelayState::Running | RelayState::Waiting(_) => Ok(()),
            RelayState::Starting => Err("the outbox's relay waits for its database".to_owned()),
            RelayState::Refusing(reason) => Err(reason.clone()),
            RelayState::Ended => Err("the outbox's relay has ended".to_owned()),
        }
    }
}
