//! Faults that only a broker under the test's control reports: librdkafka's mock cluster, for injected errors alone.

use std::time::Duration;

use depot_outbox::StepOutcome;
use rdkafka::{
    error::RDKafkaErrorCode,
    mocking::MockCluster,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use uuid::Uuid;

use crate::support::{World, drain, first_occurrences, published_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_report_in_mid_batch_starts_again_from_the_first_row_not_let_go() {
    let world = World::without_topic().await;
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(&world.topic, 1, 1).unwrap();
    let ids: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
    for version in 1..=25 {
        for id in &ids {
            world.commit(*id, [version]).await;
        }
    }
    // The third batch is refused for a reason that passes; several are under way behind it.
    let fine = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    let fault = RDKafkaRespErr::RD_KAFKA_RESP_ERR_POLICY_VIOLATION;
    cluster.request_errors(RDKafkaApiKey::Produce, &[fine, fine, fault]);
    let mut options = world.options();
    options.brokers = cluster.bootstrap_servers();
    options.kafka = vec![("batch.num.messages".to_owned(), "5".to_owned())];
    let (mut relay, handle) = world.relay(options);
    let mut stopped = false;
    while !stopped {
        let outcome = relay.step().await.unwrap();
        stopped = matches!(outcome, StepOutcome::Stopped { .. });
        relay.woken(Duration::from_millis(10)).await;
    }
    drain(&mut relay).await;
    let published = published_in(&cluster.bootstrap_servers(), &world.topic).await;
    for id in &ids {
        assert_eq!(first_occurrences(&published, *id), (1..=25).collect::<Vec<_>>());
    }
    assert_eq!(
        handle.status().parked_aggregates,
        0,
        "a fault that passes parks nobody"
    );
    assert_eq!(RDKafkaErrorCode::from(fault), RDKafkaErrorCode::PolicyViolation);
}
