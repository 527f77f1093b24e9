//! What scripts, the tool and the services are told.

use depot_test_stack::{OperatorRole, settings};

use super::{
    Service,
    arrows::{Caller, Dependency, Links},
    link::Link,
    ports::{NODES, Ports},
};
use crate::topics;

/// Nobody listens there: a service that calls what it is not known to call is found out.
const NOWHERE: u16 = 1;

/// The settings of everybody, at the addresses of this campaign's own servers.
pub fn direct(ports: Ports) -> Vec<(String, String)> {
    let mut environment: Vec<(String, String)> = settings()
        .all()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
    for service in Service::ALL {
        let variable = format!("{}_DATABASE_URL", service.prefix());
        set(&variable, at_port(settings().get(&variable), ports.postgres()));
    }
    set("MIGRATE_DATABASE_URL", owners_postgres(ports));
    let operators = settings().get(OperatorRole::URL_VARIABLE);
    set(OperatorRole::URL_VARIABLE, at_port(operators, ports.postgres()));
    set("REDIS_ADDR", address(ports.redis()));
    set("KAFKA_BROKERS", brokers(ports));
    set("KAFKA_REPLICATION_FACTOR", "3".into());
    set("KAFKA_MIN_INSYNC_REPLICAS", "2".into());
    set("TOPIC_PREFIX", topics::PREFIX.into());
    for name in ["MINIO_ENDPOINT", "MINIO_PUBLIC_ENDPOINT"] {
        set(name, url(ports.object_store()));
    }
    set(
        "COMMAND_PUBLIC_URL",
        url(ports.instance(Service::CommandApi.index(), 0)),
    );
    environment
}

/// What a service is told: what it calls through its own links, and of everything else no address.
pub fn through(links: &Links, ports: Ports, service: Service) -> Vec<(String, String)> {
    let mut environment = direct(ports);
    let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
    let first = |caller: Caller, dependency| {
        let link = links.of((caller, dependency)).first();
        link.map_or(NOWHERE, |link: &Link| link.port)
    };
    let port = |dependency| first(Some(service), dependency);
    set("MIGRATE_DATABASE_URL", at_port(&owners_postgres(ports), NOWHERE));
    let operators = settings().get(OperatorRole::URL_VARIABLE);
    set(OperatorRole::URL_VARIABLE, at_port(operators, NOWHERE));
    for other in Service::ALL {
        let variable = format!("{}_DATABASE_URL", other.prefix());
        let port = if other == service {
            port(Dependency::Postgres)
        } else {
            NOWHERE
        };
        set(&variable, at_port(settings().get(&variable), port));
    }
    set("REDIS_ADDR", address(port(Dependency::Redis)));
    let listeners = links.of((Some(service), Dependency::Kafka)).iter();
    let brokers: Vec<_> = listeners.map(|link| address(link.port)).collect();
    set(
        "KAFKA_BROKERS",
        if brokers.is_empty() {
            address(NOWHERE)
        } else {
            brokers.join(",")
        },
    );
    set("MINIO_ENDPOINT", url(port(Dependency::ObjectStore)));
    set("UPLOADER_ADMIN_URL", url(port(Dependency::UploaderAdmin)));
    // Clients are sent there.
    set("MINIO_PUBLIC_ENDPOINT", url(first(None, Dependency::ObjectStore)));
    set("COMMAND_PUBLIC_URL", url(first(None, Dependency::CommandApi)));
    set("QUERY_PUBLIC_URL", url(first(None, Dependency::QueryApi)));
    set("GRPC_PUBLIC_URL", url(first(None, Dependency::QueryGrpc)));
    environment
}

pub fn owners_postgres(ports: Ports) -> String {
    at_port(settings().get("MIGRATE_DATABASE_URL"), ports.postgres())
}

/// The listeners of the brokers that nothing stands before.
pub fn brokers(ports: Ports) -> String {
    let brokers: Vec<_> = (1..=NODES).map(|node| address(ports.broker(node))).collect();
    brokers.join(",")
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The URL of a database, at another port of loopback.
fn at_port(url: &str, port: u16) -> String {
    let (before, rest) = url.rsplit_once('@').unwrap_or(("", url));
    let database = rest.rsplit_once('/').map_or("", |(_, database)| database);
    format!("{before}@127.0.0.1:{port}/{database}")
}
