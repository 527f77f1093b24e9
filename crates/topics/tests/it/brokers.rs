//! Brokers that are too old, or none. An old one cannot be had beside the real one, so its answer is played: the bytes that
//! such a broker would send.

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

/// Answers `ApiVersions` in version 0 on every connection, and closes it at anything else, as a broker does that cannot read
/// what it is sent.
async fn old_broker() -> String {
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
                answer.extend((OF_AN_OLD_BROKER.len() as i32).to_be_bytes());
                for (key, oldest, newest) in OF_AN_OLD_BROKER {
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
