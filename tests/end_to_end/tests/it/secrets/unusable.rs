//! Settings that a service refuses to start with.

use depot_end_to_end::{Service, built_program};
use tokio::process::Command;

use super::{MARK, search::Search};

#[tokio::test]
async fn settings_that_cannot_be_used_are_named_without_their_secrets() {
    let mut search = Search::default();
    let broken = [
        ("DATABASE_URL", format!("postgres://u:{MARK}@host:port/depot")),
        ("DATABASE_URL", format!("mysql://u:{MARK}@host/depot")),
        ("DATABASE_URL", format!("u:{MARK}@host")),
        ("REDIS_ADDR", format!("http://:{MARK}@host")),
        ("REDIS_ADDR", format!("redis://:{MARK}@host:port")),
        ("MINIO_ENDPOINT", format!("ftp://u:{MARK}@host")),
        ("MINIO_SECRET_KEY", MARK.to_owned()),
        ("JWT_SECRET", MARK.to_owned()),
        ("SERVICE_TOKEN_SECRET", MARK.to_owned()),
        ("CURSOR_SECRET", MARK.to_owned()),
        ("JWT_JWKS_URL", format!("ftp://u:{MARK}@host")),
        ("JWT_JWKS_URL", format!("https://u:{MARK}@host/keys")),
        ("MINIO_ENDPOINT", format!("https://u:{MARK}@host")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://u:{MARK}@host")),
        ("KAFKA_PASSWORD", MARK.to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("ftp://u:{MARK}@host")),
    ];
    for (name, value) in broken {
        for service in Service::ALL {
            let output = Command::new(built_program(service.name()).unwrap())
                .env_clear()
                .env("APP_ENV", "production")
                .env(name, value.as_str())
                .current_dir(std::env::temp_dir())
                .output()
                .await
                .unwrap();
            assert!(!output.status.success(), "{name} in {}", service.name());
            for text in [&output.stdout, &output.stderr] {
                search.through_log(
                    &format!("{} with {name}", service.name()),
                    &String::from_utf8_lossy(text),
                );
            }
        }
    }
    search.found_nothing(10_000);
}
