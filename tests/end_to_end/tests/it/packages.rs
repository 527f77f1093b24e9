use std::{collections::BTreeSet, path::Path};

use cargo_metadata::{DependencyKind, MetadataCommand};

const NAMED_PACKAGES: [&str; 15] = [
    "tokio",
    "axum",
    "tonic",
    "prost",
    "rdkafka",
    "sqlx",
    "redis",
    "aws-sdk-s3",
    "serde_json",
    "tracing",
    "opentelemetry",
    "metrics",
    "metrics-exporter-prometheus",
    "uuid",
    "backoff",
];
const NAMED_TOP_LEVEL: [&str; 11] = [
    "Cargo.toml",
    "command-api",
    "query-api",
    "projector",
    "uploader",
    "proto",
    "schemas",
    "migrations",
    "deploy",
    "loadtest",
    "README.md",
];
/// Packages of tests: what only they depend on is not shipped.
const NOT_SHIPPED: [&str; 3] = ["depot-test-stack", "depot-end-to-end", "depot-bench"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn each_named_package_is_a_direct_dependency_of_a_shipped_crate() {
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()
        .unwrap();
    let shipped = metadata
        .packages
        .iter()
        .filter(|package| !NOT_SHIPPED.contains(&package.name.as_str()));
    let direct: BTreeSet<_> = shipped
        .flat_map(|package| &package.dependencies)
        .filter(|dependency| dependency.kind == DependencyKind::Normal)
        .map(|dependency| dependency.name.as_str())
        .collect();
    let missing: Vec<_> = NAMED_PACKAGES
        .iter()
        .filter(|name| !direct.contains(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_named_top_level_is_there() {
    let missing: Vec<_> = NAMED_TOP_LEVEL
        .iter()
        .filter(|name| !root().join(name).exists())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// domain ← schemas ← {outbox, consumer, saga, read-model} ← services; services never on one another.
#[test]
fn dependencies_point_one_way() {
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()
        .unwrap();
    let level = |name: &str| match name {
        "depot-domain" | "depot-retry" | "depot-spans" => Some(0),
        "depot-schemas" | "depot-proto" | "depot-migrate" => Some(1),
        "depot-outbox" | "depot-consumer" | "depot-saga" | "depot-read-model" | "depot-object-store" => {
            Some(2)
        }
        "depot-service" => Some(2),
        "depot-topics" | "depot-grpc" => Some(3),
        "command-api" | "query-api" | "projector" | "uploader" | "depot-cli" => Some(4),
        _ => None,
    };
    for package in &metadata.packages {
        let Some(own) = level(&package.name) else { continue };
        for dependency in package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal)
        {
            if let Some(other) = level(&dependency.name) {
                assert!(other < own, "{} depends on {}", package.name, dependency.name);
            }
        }
    }
    let io = ["tokio", "sqlx", "rdkafka", "redis", "axum", "tonic", "aws-sdk-s3"];
    let domain = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == "depot-domain")
        .unwrap();
    assert!(
        domain.dependencies.iter().all(|d| !io.contains(&d.name.as_str())),
        "the domain does I/O"
    );
}
