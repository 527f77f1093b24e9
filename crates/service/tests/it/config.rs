//! Faults of the environment, all at once, and secrets that never show.

use depot_service::config::{
    ConfigErrors, ConfigReader, DEVELOPMENT_JWT_SECRET, DatabaseConfig, Environment, HttpConfig, JwtConfig,
    KafkaConfig, KeySource, ProcessConfig, RateLimitConfig, RedisConfig, S3Config, TelemetryConfig,
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
    RateLimitConfig,
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
        RateLimitConfig::read(&mut reader),
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
    let (Everything(http, process, database, kafka, redis, s3, jwt, _, limit), result) = read(GOOD);
    result.unwrap();
    assert_eq!((http.port, process.admin_port), (8080, 9180));
    assert_eq!(
        (database.schema.as_str(), kafka.topic_prefix.as_str()),
        ("command", "depot")
    );
    assert_eq!(redis.key_prefix, "");
    assert_eq!(limit.per_second.unwrap().get() * 2, limit.burst.get());
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
        ("SERVICE_TOKEN_SECRET", "short"),
        ("JWT_JWKS_URL", "https://user:password@issuer/keys"),
        ("JWT_JWKS_CA_FILE", "/no/such/file"),
        ("JWT_JWKS_REFRESH_SECONDS", "1"),
        ("DATABASE_TLS_MODE", "on"),
        ("MINIO_CA_FILE", "/no/such/file"),
        ("RATE_LIMIT_PER_SECOND", "-1"),
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
    let names: Vec<&str> = plain.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        ["bootstrap.servers", "security.protocol", "enable.metrics.push"]
    );
}

/// A file with that text, which goes with the value.
struct TextFile(std::path::PathBuf);

impl TextFile {
    fn new(text: &str) -> Self {
        let file = std::env::temp_dir().join(format!("depot-config-{}", uuid::Uuid::now_v7()));
        std::fs::write(&file, text).unwrap();
        Self(file)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TextFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

/// `GOOD` with these instead of what it has under their names.
fn good_with<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let rest = GOOD
        .iter()
        .filter(|(name, _)| !pairs.iter().any(|(own, _)| own == name));
    rest.copied().chain(pairs.iter().copied()).collect()
}

#[test]
fn files_for_tls_are_refused_where_they_would_be_of_no_use() {
    let pem = TextFile::new("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
    let text = TextFile::new("no PEM");
    let tls = "rediss://localhost:6379/0";
    for (pairs, fault) in [
        (vec![("DATABASE_CA_FILE", pem.path())], Some("DATABASE_TLS_MODE")),
        (
            vec![("DATABASE_CA_FILE", pem.path()), ("DATABASE_TLS_MODE", "require")],
            Some("DATABASE_TLS_MODE"),
        ),
        (
            vec![
                ("DATABASE_CA_FILE", pem.path()),
                ("DATABASE_TLS_MODE", "verify-full"),
            ],
            None,
        ),
        (
            vec![
                ("DATABASE_CA_FILE", text.path()),
                ("DATABASE_TLS_MODE", "verify-full"),
            ],
            Some("DATABASE_CA_FILE"),
        ),
        (
            vec![
                ("DATABASE_CERT_FILE", pem.path()),
                ("DATABASE_TLS_MODE", "verify-full"),
            ],
            Some("DATABASE_KEY_FILE"),
        ),
        (vec![("KAFKA_CA_FILE", pem.path())], None),
        (vec![("KAFKA_CA_FILE", "/no/such/file")], Some("KAFKA_CA_FILE")),
        (
            vec![
                ("KAFKA_CA_FILE", pem.path()),
                ("KAFKA_SECURITY_PROTOCOL", "sasl_plaintext"),
            ],
            Some("KAFKA_SECURITY_PROTOCOL"),
        ),
        (vec![("KAFKA_KEY_FILE", pem.path())], Some("KAFKA_CERT_FILE")),
        (vec![("REDIS_CA_FILE", pem.path())], Some("REDIS_ADDR")),
        (vec![("REDIS_CA_FILE", pem.path()), ("REDIS_ADDR", tls)], None),
        (
            vec![("REDIS_CERT_FILE", pem.path()), ("REDIS_ADDR", tls)],
            Some("REDIS_KEY_FILE"),
        ),
        (vec![("MINIO_CA_FILE", pem.path())], Some("MINIO_ENDPOINT")),
        (
            vec![
                ("MINIO_CA_FILE", pem.path()),
                ("MINIO_ENDPOINT", "https://localhost"),
            ],
            None,
        ),
    ] {
        let (_, result) = read(&good_with(&pairs));
        match fault {
            Some(fault) => assert_eq!(faulty(result), [fault], "{pairs:?}"),
            None => assert_eq!(result, Ok(()), "{pairs:?}"),
        }
    }
}

#[test]
fn a_password_is_not_sent_bare_in_production() {
    let mut pairs = good_with(&[
        ("KAFKA_SECURITY_PROTOCOL", "sasl_plaintext"),
        ("KAFKA_SASL_MECHANISM", "PLAIN"),
    ]);
    assert_eq!(read(&pairs).1, Ok(()));
    pairs.push(("APP_ENV", "production"));
    assert_eq!(faulty(read(&pairs).1), ["KAFKA_SASL_MECHANISM"]);
}

#[test]
fn keys_of_an_issuer_replace_the_secret_or_stand_beside_it() {
    let own = |pairs: &[(&'static str, &'static str)]| {
        let rest = GOOD.iter().copied().filter(|(name, _)| *name != "JWT_SECRET");
        rest.chain(pairs.iter().copied()).collect::<Vec<_>>()
    };
    let url = ("JWT_JWKS_URL", "https://issuer.example/keys");
    let (Everything(_, _, _, _, _, _, jwt, ..), result) = read(&own(&[url]));
    result.unwrap();
    assert!(jwt.secret.is_none());
    let keys = jwt.keys.unwrap();
    assert_eq!(keys.source, KeySource::Url(url.1.to_owned()));
    // Which it shows without its query: a key of an account may be there.
    let with_key = KeySource::Url("https://issuer.example/keys?key=s3cr3t".into());
    assert!(!format!("{with_key:?}").contains("s3cr3t"));
    for (pairs, fault) in [
        (vec![], "JWT_SECRET"),
        (vec![url, ("JWT_JWKS_FILE", "/no/such/file")], "JWT_JWKS_URL"),
        (vec![("JWT_JWKS_FILE", "/no/such/file")], "JWT_JWKS_FILE"),
        (
            vec![
                ("JWT_JWKS_URL", "http://issuer.example/keys"),
                ("APP_ENV", "production"),
            ],
            "JWT_JWKS_URL",
        ),
    ] {
        assert_eq!(faulty(read(&own(&pairs)).1), [fault], "{pairs:?}");
    }
    // Those who sign for each other need a secret for that.
    let among = |pairs: &[(&'static str, &'static str)]| {
        let mut reader = ConfigReader::new(Environment::from_pairs("UPLOADER", pairs.iter().copied()));
        JwtConfig::read_among_services(&mut reader);
        reader.finish()
    };
    assert_eq!(faulty(among(&[url])), ["SERVICE_TOKEN_SECRET"]);
    let secret = "a-secret-of-the-tests-with-enough-bytes";
    assert_eq!(among(&[url, ("SERVICE_TOKEN_SECRET", secret)]), Ok(()));
    assert_eq!(among(&[url, ("JWT_SECRET", secret)]), Ok(()));
}
