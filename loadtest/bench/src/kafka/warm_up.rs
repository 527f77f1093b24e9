use std::time::{Duration, Instant};

use anyhow::Result;
use depot_schemas::{Entity, topics::PARTITIONS};
use depot_test_stack::{TestTopics, settings};
use rdkafka::{
    consumer::BaseConsumer,
    producer::{BaseProducer, BaseRecord, Producer as _},
};

use super::{listener::at_the_end, producer};

/// Messages that are sent at a time; the next ones when they are back, or late.
const BURST: usize = 64;
const BACK_WITHIN: Duration = Duration::from_millis(5);
const FLUSH: Duration = Duration::from_secs(30);

/// Has the broker, a virtual machine that compiles what it often does, produce and consume for as long as that, on a topic of
/// its own: what is measured first would pay for it.
///
/// # Errors
/// Kafka does not take what is produced.
pub async fn warm_up(lasting: Duration) -> Result<()> {
    let topics = TestTopics::create(PARTITIONS).await?;
    let topic = topics.names().events(Entity::Items);
    tokio::task::spawn_blocking(move || work(&topic, lasting)).await?
}

fn work(topic: &str, lasting: Duration) -> Result<()> {
    let consumer: BaseConsumer = at_the_end(topic)?;
    let producer: BaseProducer<producer::Counting> =
        producer::settings(settings().kafka_brokers()).create_with_context(producer::Counting::default())?;
    let (began, value) = (Instant::now(), "x".repeat(500));
    for number in 0_u64.. {
        if began.elapsed() >= lasting {
            break;
        }
        for of_burst in 0..BURST {
            let key = (number * BURST as u64 + of_burst as u64).to_string();
            let record = BaseRecord::to(topic).key(&key).payload(&value);
            producer.send(record).map_err(|(error, _)| error)?;
        }
        producer.poll(Duration::ZERO);
        while let Some(message) = consumer.poll(BACK_WITHIN) {
            message?;
        }
    }
    Ok(producer.flush(FLUSH)?)
}
