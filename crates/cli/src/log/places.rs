use std::time::Duration;

use depot_migrate::recovery::{LogPlace, NewLog, StoredPlace};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
};
use serde_json::{Value, json};

use crate::recovery::StepFailure;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Where the views go on in a partition, and what the log has of it.
#[derive(Debug)]
pub struct Compared {
    place: LogPlace,
    next_offset: i64,
    first: i64,
    end: i64,
}

impl Compared {
    /// The log cannot be the one that the views have read up to there.
    pub fn is_outside(&self) -> bool {
        self.next_offset < self.first || self.next_offset > self.end
    }

    pub fn as_new(&self) -> NewLog {
        NewLog {
            place: self.place.clone(),
            first_offset: self.first,
        }
    }

    pub fn as_json(&self) -> Value {
        json!({
            "topic": self.place.topic, "partition": self.place.partition, "next_offset": self.next_offset,
            "first": self.first, "end": self.end, "is_outside": self.is_outside(),
        })
    }
}

/// Asks Kafka for the bounds of each partition.
pub async fn compare(client: ClientConfig, stored: Vec<StoredPlace>) -> Result<Vec<Compared>, StepFailure> {
    // The client's calls block.
    let asked = tokio::task::spawn_blocking(move || -> Result<Vec<Compared>, StepFailure> {
        let consumer: BaseConsumer = client.create().map_err(StepFailure::Client)?;
        stored.into_iter().map(|one| bounds(&consumer, one)).collect()
    });
    asked.await.map_err(|_| StepFailure::Ended)?
}

fn bounds(consumer: &BaseConsumer, stored: StoredPlace) -> Result<Compared, StepFailure> {
    let StoredPlace { place, next_offset } = stored;
    let bounds = consumer.fetch_watermarks(&place.topic, place.partition, TIMEOUT);
    let (first, end) = bounds.map_err(|source| StepFailure::Kafka {
        topic: place.topic.clone(),
        partition: place.partition,
        source,
    })?;
    Ok(Compared {
        place,
        next_offset,
        first,
        end,
    })
}
