//! Three brokers, of which one goes away.

use depot_end_to_end::KafkaCluster;
use depot_test_stack::wait_until;

use super::{look, of_machine, run, with};
use crate::long::is_left_out;

const KAFKA: [&str; 2] = ["--part", "kafka"];

#[tokio::test(flavor = "multi_thread")]
async fn copies_on_a_broker_that_is_away_are_told_and_its_return_mends_it() {
    if is_left_out("the doctor on three brokers") {
        return;
    }
    let cluster = KafkaCluster::start().await.unwrap();
    let environment = with(
        &of_machine(),
        &[
            ("KAFKA_BROKERS", &cluster.brokers),
            ("KAFKA_REPLICATION_FACTOR", "3"),
            ("KAFKA_MIN_INSYNC_REPLICAS", "2"),
            ("TOPIC_PARTITIONS", "2"),
            ("TOPIC_PREFIX", "depot"),
        ],
    );
    let (code, said) = run(&environment, &["topics"]).await;
    assert_eq!(code, 0, "{said}");
    wait_until("all copies are made", || async {
        look(&environment, &KAFKA).await.is_clean()
    })
    .await;

    cluster.stop_node(3).await.unwrap();
    wait_until("they are told", || async {
        let found = look(&environment, &KAFKA).await;
        found.has("replicas_behind", &["on the brokers [3]", "start these brokers"])
    })
    .await;
    // Two of three are enough for messages.
    let found = look(&environment, &KAFKA).await;
    found.assert_only("replicas_behind", &["depot."]);

    cluster.start_node(3).await.unwrap();
    wait_until("they have caught up", || async {
        look(&environment, &KAFKA).await.is_clean()
    })
    .await;
}
