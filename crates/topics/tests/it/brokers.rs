//! Brokers that are too old, or none. An old one cannot be had beside the real one, so its answer is played: the bytes that
//! such a broker would send.

use depot_schemas::topics::Topics;
use depot_service::{
    config::KafkaConfig,
    startup::{Check as _, Weight},
};
use depot_test_stack::settings;
use depot_topics::KafkaCheck;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// What Apache Kafka 3.9 says of the requests that count here: key, oldest and newest version.
const OF_AN_OLD_BROKER: [(i16, i16, i16); 5] = [(0, 0, 11), (22, 0, 5), (32, 0, 4), (8, 0, 9), (9, 0, 9)];

/// And what is needed of them in the newer one.
const OF_A_NEW_BROKER: [(i16, i16, i16); 6] = [
    (0, 3, 13),
    (22, 0, 6),
    (32, 1, 4),
    (68, 0, 1),
    (8, 2, 10),
    (9, 1, 10),
];

async fn old_broker() -> String {
    broker_of(&OF_AN_OLD_BROKER).await
}

/// Answers `ApiVersions` in version 0 on every connection, and closes it at anything else, as a broker does that cannot read
/// what it is sent.
async fn broker_of(requests: &'static [(i16, i16, i16)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let length = stream.read_u32().await?;
                let mut request = vec![0; length as usize];
                stream.read_exact(&mut request).await?;
                let [0, 18, 0, 0, number @ ..] = &request[..8] else {
                    return Ok(());
                };
                let mut answer = number.to_vec();
                answer.extend(0_i16.to_be_bytes());
                answer.extend((requests.len() as i32).to_be_bytes());
                for (key, oldest, newest) in requests {
                    answer.extend([key.to_be_bytes(), oldest.to_be_bytes(), newest.to_be_bytes()].concat());
                }
                stream.write_u32(answer.len() as u32).await?;
                stream.write_all(&answer).await
            });
        }
    });
    address
}

fn check(brokers: &str) -> KafkaCheck {
    KafkaCheck::new(&KafkaConfig::plaintext(brokers, "depot-none"), []).unwrap()
}

/// Of a process that uses a topic.
fn check_with_topic(brokers: &str) -> KafkaCheck {
    let used = [Topics::new("depot-none").store_notifications()];
    KafkaCheck::new(&KafkaConfig::plaintext(brokers, "depot-none"), used).unwrap()
}

#[tokio::test]
async fn the_broker_that_is_there_speaks_all_that_is_needed() {
    assert_eq!(check(settings().kafka_brokers()).look().await.unwrap(), []);
}

#[tokio::test]
async fn a_broker_without_the_group_protocol_is_refused_by_name() {
    let old = old_broker().await;
    // Beside one that is not: in a cluster that is being upgraded, a group may be kept by either.
    let findings = check(&format!("{},{old}", settings().kafka_brokers()))
        .look()
        .await
        .unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].weight, Weight::Wrong);
    assert_eq!(
        findings[0].to_string(),
        format!(
            "Kafka broker {old}: does not understand ConsumerGroupHeartbeat v1; run Apache Kafka 4.0 or newer, or name other \
             brokers in KAFKA_BROKERS"
        )
    );
}

#[tokio::test]
async fn one_broker_that_is_away_is_not_missed_and_all_of_them_are_waited_for() {
    let both = format!("127.0.0.1:1,{}", settings().kafka_brokers());
    assert_eq!(check(&both).look().await.unwrap(), []);
    let away = check("127.0.0.1:1").look().await.unwrap_err();
    assert!(away.0.contains("127.0.0.1:1"), "{away:?}");
}

#[tokio::test]
async fn a_broker_that_is_too_old_to_tell_of_topics_is_refused_for_that() {
    let old = old_broker().await;
    let findings = check_with_topic(&old).look().await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].subject, format!("Kafka broker {old}"));
}

#[tokio::test]
async fn a_broker_that_tells_nothing_of_topics_is_waited_for() {
    let check = check_with_topic(&broker_of(&OF_A_NEW_BROKER).await);
    assert!(
        check.look().await.is_err(),
        "nothing was told, so nothing is known"
    );
    assert_eq!(check.subject(), "Kafka", "what readiness says that it waits for");
}
