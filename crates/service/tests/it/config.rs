//! Faults of the environment, all at once, and secrets that never show.

use depot_service::config::{
    ConfigErrors, ConfigReader, DEVELOPMENT_JWT_SECRET, DatabaseConfig, Environment, HttpConfig, JwtConfig,
    KafkaConfig, ProcessConfig, RedisConfig, S3Config, TelemetryConfig,
};

#[derive(Debug)]
#[allow(dead_code)]
struct Everything(
    HttpConfig,
    ProcessConfig,
    DatabaseConfig,
    KafkaConfig,
    RedisConfig,
    S3Config,
    JwtConfig,
    TelemetryConfig,
);

fn read(pairs: &[(&str, &str)]) -> (Everything, Result<(), ConfigErrors>) {
    let mut reader = ConfigReader::new(Environment::from_pairs("COMMAND_API", pairs.iter().copied()));
    let everything = Everything(
        HttpConfig::read(&mut reader, 8080),
        ProcessConfig::read(&mut reader, 9180),
        DatabaseConfig::read(&mut reader, "command"),
        KafkaConfig::read(&mut reader),
        RedisConfig::read(&mut reader),
        S3Config::read(&mut reader),
        JwtConfig::read(&mut reader),
        TelemetryConfig::read(&mut reader),
    );
    (everything, reader.finish())
}

const GOOD: &[(&str, &str)] = &[
    (
        "DATABASE_URL",
        "postgres://depot_command:s3cr3t-db@localhost:15432/depot",
    ),
    ("KAFKA_BROKERS", "a:9092,b:9092"),
    ("REDIS_ADDR", "redis://:s3cr3t-redis@localhost:6379/0"),
    ("MINIO_ENDPOINT", "http://localhost:18333/"),
    ("MINIO_ACCESS_KEY", "key"),
    ("MINIO_SECRET_KEY", "s3cr3t-store"),
    ("JWT_SECRET", "s3cr3t-jwt-with-at-least-thirty-two-bytes"),
    ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
    ("KAFKA_USERNAME", "depot"),
    ("KAFKA_PASSWORD", "s3cr3t-kafka"),
];

fn good_but(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    GOOD.iter()
        .copied()
        .filter(|(known, _)| *known != name)
        .chain([(name, value)])
        .collect()
}

fn faulty(result: Result<(), ConfigErrors>) -> Vec<String> {
    result
        .unwrap_err()
        .faults
        .into_iter()
        .map(|fault| fault.variable)
        .collect()
}

#[test]
fn a_complete_environment_is_read_with_its_defaults() {
    let (Everything(http, process, database, kafka, redis, s3, jwt, _), result) = read(GOOD);
    result.unwrap();
    assert_eq!((http.port, process.admin_port), (8080, 9180));
    assert_eq!(
        (database.schema.as_str(), kafka.topic_prefix.as_str()),
        ("command", "depot")
    );
    assert_eq!(redis.key_prefix, "");
    assert_eq!(
        (s3.endpoint.as_str(), s3.public_endpoint.as_str()),
        ("http://localhost:18333", "http://localhost:18333")
    );
    assert_eq!(
        (s3.bucket.as_str(), s3.staging_bucket.as_str()),
        ("files", "staging")
    );
    assert_eq!((jwt.issuer.as_str(), jwt.audience.as_str()), ("depot", "depot"));
}

#[test]
fn every_missing_variable_is_named_at_once() {
    let (_, result) = read(&[]);
    let expected = [
        "DATABASE_URL",
        "KAFKA_BROKERS",
        "REDIS_ADDR",
        "MINIO_ENDPOINT",
        "MINIO_ACCESS_KEY",
        "MINIO_SECRET_KEY",
        "JWT_SECRET",
    ];
    assert_eq!(faulty(result), expected);
}

#[test]
fn every_wrong_variable_is_named_with_what_to_set() {
    let wrong = [
        ("COMMAND_API_PORT", "eighty"),
        ("ADMIN_PORT", "70000"),
        ("BIND_ADDRESS", "localhost"),
        ("REQUEST_TIMEOUT_MS", "0"),
        ("CORS_ORIGINS", "http://localhost:3000,http://localhost:3000/path"),
        ("DATABASE_URL", "mysql://depot"),
        ("KAFKA_BROKERS", "localhost"),
        ("TOPIC_PREFIX", "Depot_1"),
        ("REDIS_ADDR", "http://localhost"),
        ("MINIO_ENDPOINT", "localhost:9000"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("LOG_LEVEL", "loud=very"),
        ("APP_ENV", "prod"),
        ("KAFKA_SECURITY_PROTOCOL", "tls"),
        ("JWT_SECRET", "short"),
    ];
    let rest = GOOD
        .iter()
        .copied()
        .filter(|(name, _)| !wrong.iter().any(|(known, _)| known == name));
    let pairs: Vec<_> = wrong.iter().copied().chain(rest).collect();
    let (_, result) = read(&pairs);
    let text = result.clone().unwrap_err().to_string();
    let mut named = faulty(result);
    named.sort();
    let mut expected: Vec<_> = wrong.iter().map(|(name, _)| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(named, expected, "{text}");
    assert!(
        text.contains("COMMAND_API_PORT: `eighty` cannot be used; set a number from 0 to 65535"),
        "{text}"
    );
}

#[test]
fn no_secret_shows_in_debug_or_in_a_fault() {
    let (everything, result) = read(GOOD);
    result.unwrap();
    let shown = format!("{everything:?}");
    assert!(!shown.contains("s3cr3t"), "{shown}");

    let broken = good_but("DATABASE_URL", "postgres//depot:s3cr3t@localhost");
    let (_, result) = read(&broken);
    let errors = result.unwrap_err();
    assert!(!format!("{errors} {errors:?}").contains("s3cr3t"), "{errors}");
}

#[test]
fn production_refuses_the_published_secret_and_development_takes_it() {
    let mut pairs = good_but("JWT_SECRET", DEVELOPMENT_JWT_SECRET);
    read(&pairs).1.unwrap();
    pairs.push(("APP_ENV", "production"));
    assert_eq!(faulty(read(&pairs).1), ["JWT_SECRET"]);
}

#[test]
fn a_secret_of_31_bytes_is_too_short() {
    let (_, result) = read(&good_but("JWT_SECRET", "0123456789012345678901234567890"));
    let errors = result.unwrap_err();
    assert_eq!(errors.faults[0].problem, "has 31 bytes");
}

#[test]
fn kafka_clients_get_the_security_settings() {
    let (Everything(_, _, _, kafka, ..), _) = read(GOOD);
    let settings = kafka.client_settings();
    assert!(
        settings.contains(&("sasl.password", "s3cr3t-kafka".to_owned())),
        "{:?}",
        settings.len()
    );
    assert!(settings.contains(&("sasl.mechanism", "SCRAM-SHA-512".to_owned())));
    let plain = KafkaConfig::plaintext("localhost:9092", "depot").client_settings();
    assert_eq!(plain.len(), 2);
}
