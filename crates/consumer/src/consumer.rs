//! A consumer: one thread that polls the group, from start to the last commit.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use depot_kafka_client::{CLOSED_WITHIN, close_within};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::batch::BatchDriver;
use crate::commit;
use crate::dead_letter::DeadLetters;
use crate::error::ConsumerError;
use crate::group::{Driver, Group};
use crate::handler::{BatchHandler, KeyHandler};
use crate::keyed::KeyedDriver;
use crate::offset_source::OffsetSource;
use crate::rebalance::GroupContext;
use crate::retry::{NothingParked, ParkedKeys, RetryTopics};
use crate::settings::ConsumerSettings;
use crate::status::ConsumerHandle;

/// How long one poll waits for an event of the group. It bounds how late a shutdown or a commit is noticed.
const POLL: Duration = Duration::from_millis(50);

/// A running consumer. Dropping it stops it without waiting; [`Consumer::join`] waits.
#[derive(Debug)]
pub struct Consumer {
    handle: ConsumerHandle,
    ended: oneshot::Receiver<Result<(), ConsumerError>>,
    thread: JoinHandle<()>,
    stop_on_drop: DropGuard,
}

impl Consumer {
    /// Starts a consumer that handles records by key and commits its offsets to Kafka. It runs until `shutdown` is
    /// cancelled or something fatal happens. To be called inside a Tokio runtime, on which the handlers run.
    ///
    /// # Errors
    /// [`ConsumerError::Settings`], [`ConsumerError::Client`], [`ConsumerError::Subscribe`]. A broker that can't be
    /// reached is none: the consumer waits for it and says so in its status.
    pub fn start_keyed<H: KeyHandler>(
        settings: ConsumerSettings,
        handler: H,
        dead_letters: DeadLetters,
        shutdown: CancellationToken,
    ) -> Result<Self, ConsumerError> {
        let driver: KeyedDriver<H, NothingParked> = KeyedDriver {
            handler: Arc::new(handler),
            retries: None,
        };
        Self::start(settings, Box::new(driver), dead_letters, &shutdown)
    }

    /// As [`Consumer::start_keyed`], for a group with retry topics, which are subscribed to beside the settings' own.
    /// [`crate::Failure::RetryLater`] sends a record there.
    ///
    /// # Errors
    /// As [`Consumer::start_keyed`]; [`ConsumerError::Settings`] where there is no tier.
    pub fn start_keyed_with_retries<H: KeyHandler, P: ParkedKeys>(
        mut settings: ConsumerSettings,
        handler: H,
        retries: RetryTopics<P>,
        dead_letters: DeadLetters,
        shutdown: CancellationToken,
    ) -> Result<Self, ConsumerError> {
        if retries.tiers.is_empty() {
            return Err(ConsumerError::Settings {
                group: settings.group,
                message: "tiers: at least one retry topic is needed".to_owned(),
            });
        }
        let tiers = retries.tiers.iter().map(|tier| tier.topic.clone());
        settings.topics.extend(tiers);
        let driver = KeyedDriver {
            handler: Arc::new(handler),
            retries: Some(Arc::new(retries)),
        };
        Self::start(settings, Box::new(driver), dead_letters, &shutdown)
    }

    /// Starts a consumer that hands over batches, whose handler stores the offsets that `offsets` loads. Otherwise as
    /// [`Consumer::start_keyed`].
    ///
    /// # Errors
    /// As [`Consumer::start_keyed`].
    pub fn start_batch<H: BatchHandler, S: OffsetSource>(
        settings: ConsumerSettings,
        handler: H,
        offsets: S,
        dead_letters: DeadLetters,
        shutdown: CancellationToken,
    ) -> Result<Self, ConsumerError> {
        let driver = BatchDriver {
            handler: Arc::new(handler),
            offsets: Arc::new(offsets),
        };
        Self::start(settings, Box::new(driver), dead_letters, &shutdown)
    }

    fn start(
        settings: ConsumerSettings,
        driver: Box<dyn Driver>,
        dead_letters: DeadLetters,
        shutdown: &CancellationToken,
    ) -> Result<Self, ConsumerError> {
        settings.check()?;
        let name = settings.group.clone();
        let config = settings.client_config();
        let stop = shutdown.child_token();
        let runtime = tokio::runtime::Handle::current();
        let group = Arc::new(Group::new(settings, driver, dead_letters, runtime, stop.clone()));
        let consumer: BaseConsumer<GroupContext> = config
            .create_with_context(GroupContext {
                group: Arc::clone(&group),
            })
            .map_err(|source| ConsumerError::Client {
                owner: name.clone(),
                source: Box::new(source),
            })?;
        let consumer = Arc::new(consumer);
        // Before the first poll, and so before the first rebalance, which needs it.
        let _first = group.consumer.set(Arc::downgrade(&consumer));
        let all = group.settings.topics.iter().chain(&group.settings.redrive_topic);
        let topics: Vec<&str> = all.map(String::as_str).collect();
        consumer
            .subscribe(&topics)
            .map_err(|source| ConsumerError::Subscribe {
                group: name.clone(),
                topics: topics.join(","),
                source: Box::new(source),
            })?;
        let handle = ConsumerHandle {
            group: Arc::clone(&group),
        };
        let (report, ended) = oneshot::channel();
        let run = move || {
            let result = run(consumer, &group);
            // The consumer may have been dropped without join; then nobody asks.
            let _ = report.send(result);
        };
        let thread = std::thread::Builder::new()
            .name("kafka-poll".to_owned())
            .spawn(run)
            .map_err(|error| ConsumerError::Internal {
                group: name,
                message: format!("start the poll thread: {error}"),
            })?;
        Ok(Self {
            handle,
            ended,
            thread,
            stop_on_drop: stop.drop_guard(),
        })
    }

    /// A handle that looks into the consumer.
    #[must_use]
    pub fn handle(&self) -> ConsumerHandle {
        self.handle.clone()
    }

    /// Waits until the consumer has ended: work drained, offsets committed, group left.
    ///
    /// # Errors
    /// What stopped it, if that wasn't the shutdown.
    pub async fn join(self) -> Result<(), ConsumerError> {
        let Self {
            handle,
            ended,
            thread,
            stop_on_drop,
        } = self;
        let result = ended.await;
        drop(stop_on_drop);
        let internal = |message: &str| ConsumerError::Internal {
            group: handle.group.settings.group.clone(),
            message: message.to_owned(),
        };
        // The thread has nothing left to do but to end.
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        match (result, joined) {
            (Ok(result), Ok(Ok(()))) => result,
            _ => Err(internal("the poll thread panicked")),
        }
    }
}

/// The poll thread: serves the group's events until the consumer is stopped, then ends in order.
fn run(consumer: Arc<BaseConsumer<GroupContext>>, group: &Group) -> Result<(), ConsumerError> {
    let mut committed = Instant::now();
    let mut step = |consumer: &BaseConsumer<GroupContext>| {
        poll_once(consumer, group);
        if committed.elapsed() >= group.settings.commit_interval {
            commit::advanced(consumer, group);
            committed = Instant::now();
        }
    };
    while !group.stop.is_cancelled() {
        step(&consumer);
    }
    let deadline = Instant::now() + group.settings.drain_deadline;
    while !group.is_idle() && Instant::now() < deadline {
        step(&consumer);
    }
    group.end_all(&consumer);
    leave(consumer, group);
    group.take_failure().map_or(Ok(()), Err)
}

/// Leaves the group, so that others need not wait for its session to time out.
fn leave(consumer: Arc<BaseConsumer<GroupContext>>, group: &Group) {
    if !close_within(consumer, CLOSED_WITHIN) {
        tracing::warn!(
            messaging.consumer.group.name = %group.name,
            "Kafka did not let this member go in time; the group takes its partitions back when its session times out"
        );
    }
}

fn poll_once(consumer: &BaseConsumer<GroupContext>, group: &Group) {
    match consumer.poll(POLL) {
        None => {}
        // Every partition's queue was split off before its first fetch, so a record here would be one that no task
        // sees. Going on would lose it.
        Some(Ok(message)) => {
            use rdkafka::message::Message as _;
            group.fail(ConsumerError::Internal {
                group: group.settings.group.clone(),
                message: format!(
                    "{} [{}] at offset {} came by the group's queue",
                    message.topic(),
                    message.partition(),
                    message.offset()
                ),
            });
        }
        Some(Err(source @ KafkaError::MessageConsumptionFatal(code))) => {
            let (group_name, source) = (group.settings.group.clone(), Box::new(source));
            group.fail(match code {
                RDKafkaErrorCode::UnsupportedVersion | RDKafkaErrorCode::UnsupportedFeature => {
                    ConsumerError::GroupProtocol {
                        group: group_name,
                        source,
                    }
                }
                _ => ConsumerError::ClientFailed {
                    group: group_name,
                    source,
                },
            });
        }
        Some(Err(error)) => tracing::debug!(
            messaging.consumer.group.name = %group.name,
            error.message = %error,
            "the client reported an error and goes on"
        ),
    }
}
