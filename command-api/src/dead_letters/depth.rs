//! How many letters are open, as metrics.

use std::{collections::HashSet, time::Duration};

use metrics::{Unit, describe_gauge, gauge};
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::store::{StoreError, dead_letters};

const OPEN: &str = "depot_dead_letters_open";
const OLDEST: &str = "depot_dead_letters_oldest_seconds";
const INTERVAL: Duration = Duration::from_secs(5);

/// Tells the depth of each `(group, topic)` that has or had open letters.
#[derive(Debug)]
pub struct Depth {
    pool: PgPool,
    told: HashSet<(String, String)>,
}

impl Depth {
    pub fn new(pool: PgPool) -> Self {
        describe_gauge!(OPEN, Unit::Count, "Dead letters that nobody has dealt with");
        describe_gauge!(
            OLDEST,
            Unit::Seconds,
            "Since when the oldest of them lies there; 0 without one"
        );
        let told = HashSet::new();
        Self { pool, told }
    }

    /// Counts once. What was told before and has no open letter any more is told as 0: a gauge does not go by itself.
    ///
    /// # Errors
    /// Of the database; what was told stands.
    pub async fn step(&mut self) -> Result<(), StoreError> {
        let conn = self.pool.acquire().await;
        let mut conn = conn.map_err(StoreError::doing("count open dead letters"))?;
        let open = dead_letters::depth(&mut conn).await?;
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
