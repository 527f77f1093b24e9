//! Postgres and Kafka that are entered by TLS only, with certificates made here: who is trusted, and who is not.

use std::{path::Path, time::Duration};

use depot_end_to_end::{Authority, Folder, Signed, TlsKafka, TlsPostgres};
use depot_service::{
    config::{ConfigReader, DatabaseConfig, Environment, KafkaConfig},
    database::{self, Plans},
    startup::Check as _,
};
use depot_test_stack::unique_name;
use depot_topics::KafkaCheck;
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
};

/// A server whose certificate names `localhost` and nothing else, and two authorities of which one signed it.
struct Certificates {
    folder: Folder,
    ours: Authority,
    server: Signed,
    stranger: Authority,
}

impl Certificates {
    fn new() -> Self {
        let folder = Folder::new().unwrap();
        let ours = Authority::new(&folder.0, "ours").unwrap();
        Self {
            server: ours.sign("server", &["localhost"]).unwrap(),
            stranger: Authority::new(&folder.0, "stranger").unwrap(),
            ours,
            folder,
        }
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// What a service reads from such an environment.
fn read<T>(pairs: &[(&str, &str)], group: impl FnOnce(&mut ConfigReader) -> T) -> T {
    let mut reader = ConfigReader::new(Environment::from_pairs("X", pairs.iter().copied()));
    let config = group(&mut reader);
    reader.finish().unwrap();
    config
}

/// `Ok(true)` if the connection was made, and is encrypted by what Postgres says.
async fn enter_postgres(pairs: &[(&str, &str)]) -> Result<bool, String> {
    let config = read(pairs, |reader| DatabaseConfig::read(reader, "command"));
    let pool = database::connect(&config, "tls test", Plans::Usual).map_err(|error| error.to_string())?;
    sqlx::query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .fetch_one(&pool)
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn postgres_is_entered_by_tls_with_a_server_that_is_known_and_named() {
    let certificates = Certificates::new();
    let postgres = TlsPostgres::start(&certificates.server, &certificates.ours.certificate)
        .await
        .unwrap();
    let by_name = postgres.url("depot_owner", &postgres.owner_password, "localhost");
    let by_number = postgres.url("depot_owner", &postgres.owner_password, "127.0.0.1");
    let (ours, stranger) = (
        text(&certificates.ours.certificate),
        text(&certificates.stranger.certificate),
    );
    let enter = async |url: &str, mode: &str, ca: Option<&str>| {
        let mut pairs = vec![
            ("DATABASE_URL", url),
            ("DATABASE_TLS_MODE", mode),
            ("DATABASE_ACQUIRE_TIMEOUT_MS", "30000"),
        ];
        pairs.extend(ca.map(|ca| ("DATABASE_CA_FILE", ca)));
        enter_postgres(&pairs).await
    };
    assert_eq!(enter(&by_name, "verify-full", Some(&ours)).await, Ok(true));
    let refused = |outcome: Result<bool, String>, why: &str| {
        let error = outcome.expect_err(why).to_lowercase();
        assert!(
            error.contains("certificate") || error.contains("tls"),
            "{why}: {error}"
        );
    };
    refused(
        enter(&by_name, "verify-full", Some(&stranger)).await,
        "another authority",
    );
    refused(
        enter(&by_name, "verify-ca", Some(&stranger)).await,
        "another authority",
    );
    refused(
        enter(&by_name, "verify-full", None).await,
        "the system's authorities",
    );
    refused(
        enter(&by_number, "verify-full", Some(&ours)).await,
        "another host name",
    );
    // This mode asks for the authority alone, as its name says.
    assert_eq!(enter(&by_number, "verify-ca", Some(&ours)).await, Ok(true));
    let without = enter(&by_name, "disable", None).await.unwrap_err();
    assert!(without.contains("no encryption"), "{without}");

    // By a certificate instead of a password.
    let me = certificates.ours.sign("by_certificate", &[]).unwrap();
    let url = format!("postgres://by_certificate@localhost:{}/depot", postgres.port);
    let (certificate, key) = (text(&me.certificate), text(&me.key));
    let mut pairs = vec![
        ("DATABASE_URL", url.as_str()),
        ("DATABASE_TLS_MODE", "verify-full"),
        ("DATABASE_CA_FILE", &ours),
        ("DATABASE_ACQUIRE_TIMEOUT_MS", "30000"),
    ];
    assert!(enter_postgres(&pairs).await.is_err(), "without a certificate");
    pairs.extend([
        ("DATABASE_CERT_FILE", certificate.as_str()),
        ("DATABASE_KEY_FILE", &key),
    ]);
    assert_eq!(enter_postgres(&pairs).await, Ok(true));
    let forged = certificates.stranger.sign("by_certificate", &[]).unwrap();
    let (certificate, key) = (text(&forged.certificate), text(&forged.key));
    pairs.truncate(4);
    pairs.extend([
        ("DATABASE_CERT_FILE", certificate.as_str()),
        ("DATABASE_KEY_FILE", &key),
    ]);
    assert!(
        enter_postgres(&pairs).await.is_err(),
        "a certificate of another authority"
    );
    assert!(certificates.folder.0.is_dir());
}

/// Whether the cluster tells what it is.
async fn enter_kafka(pairs: Vec<(&'static str, String)>) -> Result<usize, String> {
    let borrowed: Vec<_> = pairs
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let config = read(&borrowed, KafkaConfig::read);
    let mut client = ClientConfig::new();
    for (name, value) in config.client_settings() {
        client.set(name, value);
    }
    let asked = move || {
        let consumer: BaseConsumer = client.create().map_err(|error| error.to_string())?;
        let metadata = consumer.fetch_metadata(None, Duration::from_secs(10));
        metadata
            .map(|metadata| metadata.brokers().len())
            .map_err(|error| error.to_string())
    };
    let entered = tokio::task::spawn_blocking(asked).await.unwrap();
    // The start-up checks have a connection of their own; they ask before anybody says who he is.
    let looked = KafkaCheck::new(&config, []).unwrap().look().await;
    match &entered {
        Ok(_) => assert_eq!(looked, Ok(Vec::new())),
        Err(_) if config.security.sasl.is_none() => assert!(looked.is_err(), "{looked:?}"),
        Err(_) => {}
    }
    entered
}

#[tokio::test]
async fn kafka_is_entered_by_tls_and_sasl_with_a_server_that_is_known_and_named() {
    let certificates = Certificates::new();
    let password = unique_name();
    let kafka = TlsKafka::start(&certificates.server, &certificates.ours.certificate, &password)
        .await
        .unwrap();
    let (ours, stranger) = (
        text(&certificates.ours.certificate),
        text(&certificates.stranger.certificate),
    );
    let tls = |host: &str, ca: &str| {
        vec![
            ("KAFKA_BROKERS", format!("{host}:{}", kafka.tls_port)),
            ("KAFKA_SECURITY_PROTOCOL", "ssl".to_owned()),
            ("KAFKA_CA_FILE", ca.to_owned()),
        ]
    };
    assert_eq!(enter_kafka(tls("localhost", &ours)).await, Ok(1));
    assert!(
        enter_kafka(tls("localhost", &stranger)).await.is_err(),
        "another authority"
    );
    assert!(
        enter_kafka(tls("127.0.0.1", &ours)).await.is_err(),
        "another host name"
    );
    let plaintext = vec![("KAFKA_BROKERS", format!("localhost:{}", kafka.tls_port))];
    assert!(enter_kafka(plaintext).await.is_err(), "without TLS");

    let sasl = |mechanism: &str, user: &str, password: &str, ca: &str| {
        vec![
            ("KAFKA_BROKERS", format!("localhost:{}", kafka.sasl_port)),
            ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl".to_owned()),
            ("KAFKA_SASL_MECHANISM", mechanism.to_owned()),
            ("KAFKA_USERNAME", user.to_owned()),
            ("KAFKA_PASSWORD", password.to_owned()),
            ("KAFKA_CA_FILE", ca.to_owned()),
        ]
    };
    assert_eq!(
        enter_kafka(sasl("SCRAM-SHA-512", "depot", &password, &ours)).await,
        Ok(1)
    );
    assert_eq!(enter_kafka(sasl("PLAIN", "plain", &password, &ours)).await, Ok(1));
    for (why, pairs) in [
        ("another password", sasl("SCRAM-SHA-512", "depot", "wrong", &ours)),
        ("another user", sasl("SCRAM-SHA-512", "nobody", &password, &ours)),
        ("another password, plain", sasl("PLAIN", "plain", "wrong", &ours)),
        (
            "another authority",
            sasl("SCRAM-SHA-512", "depot", &password, &stranger),
        ),
    ] {
        assert!(enter_kafka(pairs).await.is_err(), "{why}");
    }

    let mutual = |identity: Option<&Signed>| {
        let mut pairs = tls("localhost", &ours);
        pairs[0].1 = format!("localhost:{}", kafka.mutual_port);
        if let Some(signed) = identity {
            pairs.push(("KAFKA_CERT_FILE", text(&signed.certificate)));
            pairs.push(("KAFKA_KEY_FILE", text(&signed.key)));
        }
        pairs
    };
    let known = certificates.ours.sign("client", &[]).unwrap();
    assert_eq!(enter_kafka(mutual(Some(&known))).await, Ok(1));
    assert!(enter_kafka(mutual(None)).await.is_err(), "without a certificate");
    let forged = certificates.stranger.sign("forged", &[]).unwrap();
    assert!(
        enter_kafka(mutual(Some(&forged))).await.is_err(),
        "a certificate of another authority"
    );
}
