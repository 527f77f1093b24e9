//! How many letters are open, as metrics.

use depot_service::database::Pool;
use std::{collections::HashSet, time::Duration};

use depot_schemas::topics::{REDRIVEN_GROUPS, Topics};
use metrics::{Unit, describe_gauge, gauge};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::store::{StoreError, dead_letters};

const OPEN: &str = "depot_dead_letters_open";
const OLDEST: &str = "depot_dead_letters_oldest_seconds";
/// Who watches sees a letter within some seconds of its failure.
const INTERVAL: Duration = Duration::from_secs(1);

/// Tells the depth of each `(group, topic)` that has or had open letters. Those that are declared have series of their own;
/// whatever else letters say of themselves is `other`, so that nobody makes series by writing letters.
#[derive(Debug)]
pub struct Depth {
    pool: Pool,
    groups: Vec<String>,
    topics: Vec<String>,
    told: HashSet<(String, String)>,
}

impl Depth {
    pub fn new(pool: Pool, topics: &Topics) -> Self {
        describe_gauge!(OPEN, Unit::Count, "Dead letters that nobody has dealt with");
        describe_gauge!(
            OLDEST,
            Unit::Seconds,
            "Since when the oldest of them lies there; 0 without one"
        );
        // The uploader's come back by its retry topics, and this one's own index can fail too.
        let groups = REDRIVEN_GROUPS.into_iter().chain(["uploader", "dead-letters"]);
        Self {
            pool,
            // What names no group is indexed as `unknown`.
            groups: groups
                .map(|group| topics.group(group))
                .chain(["unknown".to_owned()])
                .collect(),
            topics: topics.declared().into_iter().map(|topic| topic.name).collect(),
            told: HashSet::new(),
        }
    }

    /// Counts once. What was told before and has no open letter any more is told as 0: a gauge does not go by itself.
    ///
    /// # Errors
    /// Of the database; what was told stands.
    pub async fn step(&mut self) -> Result<(), StoreError> {
        let conn = self.pool.acquire().await;
        let mut conn = conn.map_err(StoreError::doing("count open dead letters"))?;
        let open = dead_letters::depth(&mut conn, &self.groups, &self.topics).await?;
        let now = OffsetDateTime::now_utc();
        let mut gone = self.told.clone();
        for row in open {
            let age = (now - row.oldest).as_seconds_f64().max(0.0);
            let place = (row.consumer_group, row.topic);
            gone.remove(&place);
            tell(&place, row.open as f64, age);
            self.told.insert(place);
        }
        gone.iter().for_each(|place| tell(place, 0.0, 0.0));
        Ok(())
    }

    /// Runs [`Depth::step`] until cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Some(Err(error)) = stop.run_until_cancelled(self.step()).await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "open dead letters could not be counted"
                );
            }
            stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await;
        }
    }
}

fn tell((group, topic): &(String, String), open: f64, oldest_seconds: f64) {
    gauge!(OPEN, "group" => group.clone(), "topic" => topic.clone()).set(open);
    gauge!(OLDEST, "group" => group.clone(), "topic" => topic.clone()).set(oldest_seconds);
}
