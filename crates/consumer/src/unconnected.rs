//! For unit tests: a consumer's parts without a broker that could be reached. They run threads of the Kafka client, so those
//! that use a group, a client or an assignment are in modules called `client_tests`, which ThreadSanitizer does not run.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rdkafka::consumer::BaseConsumer;
use tokio_util::sync::CancellationToken;

use crate::attempt::Assignment;
use crate::dead_letter::DeadLetters;
use crate::error::ConsumerError;
use crate::group::{Driver, Group, Owned};
use crate::metrics::PartitionMetrics;
use crate::partition::{Gate, PartitionReader};
use crate::progress::Progress;
use crate::rebalance::GroupContext;
use crate::settings::ConsumerSettings;

pub(crate) const TOPIC: &str = "things.v1";

struct Idle {
    commits_to_kafka: bool,
}

impl Driver for Idle {
    fn commits_to_kafka(&self) -> bool {
        self.commits_to_kafka
    }

    fn run(&self, _: PartitionReader, _: Assignment) -> BoxFuture<'static, Result<(), ConsumerError>> {
        async { Ok(()) }.boxed()
    }
}

pub(crate) fn settings() -> ConsumerSettings {
    ConsumerSettings::new("127.0.0.1:1", "g", [TOPIC])
}

pub(crate) fn group(commits_to_kafka: bool) -> Arc<Group> {
    let settings = settings();
    let dead_letters = DeadLetters::new(&settings.brokers, &[]).unwrap();
    let (driver, runtime) = (
        Box::new(Idle { commits_to_kafka }),
        tokio::runtime::Handle::current(),
    );
    Arc::new(Group::new(
        settings,
        driver,
        dead_letters,
        runtime,
        CancellationToken::new(),
    ))
}

pub(crate) fn client(group: &Arc<Group>) -> Arc<BaseConsumer<GroupContext>> {
    let context = GroupContext {
        group: Arc::clone(group),
    };
    Arc::new(
        group
            .settings
            .client_config()
            .create_with_context(context)
            .unwrap(),
    )
}

pub(crate) fn progress(partition: i32) -> Arc<Progress> {
    let metrics = PartitionMetrics::of("g", TOPIC);
    Arc::new(Progress::new(TOPIC.into(), partition, 3, metrics))
}

/// A partition that the group owns; its task has ended when the sender is dropped.
pub(crate) fn own(group: &Group, partition: i32) -> (Arc<Progress>, SyncSender<()>) {
    let progress = progress(partition);
    let (alive, ended) = sync_channel(0);
    let owned = Owned {
        progress: Arc::clone(&progress),
        drain: CancellationToken::new(),
        cancel: CancellationToken::new(),
        gate: Arc::new(Gate::default()),
        abort: tokio::spawn(std::future::pending::<()>()).abort_handle(),
        ended,
    };
    group.owned().insert((TOPIC.into(), partition), owned);
    (progress, alive)
}

pub(crate) fn assignment(settings: ConsumerSettings) -> Assignment {
    Assignment {
        dead_letters: DeadLetters::new(&settings.brokers, &[]).unwrap(),
        settings: Arc::new(settings),
        progress: progress(0),
        drain: CancellationToken::new(),
        cancel: CancellationToken::new(),
    }
}

/// What these calls told the metrics, as Prometheus reads it.
pub(crate) fn metrics_of(calls: impl FnOnce()) -> String {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    ::metrics::with_local_recorder(&recorder, calls);
    recorder.handle().render()
}
