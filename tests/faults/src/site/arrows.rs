//! Who calls whom, and the links that stand in between.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::{
    INSTANCES, ON_KAFKA, Service,
    link::Link,
    ports::{KAFKA_SHIFT, NODES, Ports},
};

/// What stands at the other end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    Postgres,
    Redis,
    Kafka,
    ObjectStore,
    CommandApi,
    QueryApi,
    QueryGrpc,
    UploaderAdmin,
}

impl Dependency {
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Kafka => "kafka",
            Self::ObjectStore => "the object store",
            Self::CommandApi => "command-api",
            Self::QueryApi => "query-api",
            Self::QueryGrpc => "query-api by gRPC",
            Self::UploaderAdmin => "the uploader's admin port",
        }
    }
}

/// A service, or the clients of the load.
pub type Caller = Option<Service>;
/// One calls the other.
pub type Arrow = (Caller, Dependency);

/// Every pair of which one calls the other. What a service is not said to call, it is given no address of.
pub const PAIRS: [Arrow; 16] = [
    (Some(Service::CommandApi), Dependency::Postgres),
    (Some(Service::QueryApi), Dependency::Postgres),
    (Some(Service::Projector), Dependency::Postgres),
    (Some(Service::Uploader), Dependency::Postgres),
    (Some(Service::QueryApi), Dependency::Redis),
    (Some(Service::Projector), Dependency::Redis),
    (Some(Service::CommandApi), Dependency::Kafka),
    (Some(Service::Projector), Dependency::Kafka),
    (Some(Service::Uploader), Dependency::Kafka),
    (Some(Service::CommandApi), Dependency::ObjectStore),
    (Some(Service::Uploader), Dependency::ObjectStore),
    (Some(Service::CommandApi), Dependency::UploaderAdmin),
    (None, Dependency::ObjectStore),
    (None, Dependency::CommandApi),
    (None, Dependency::QueryApi),
    (None, Dependency::QueryGrpc),
];

/// The links of each pair: one for each address that the caller is given.
pub struct Links(BTreeMap<Arrow, Vec<Link>>);

impl Links {
    pub async fn open(ports: Ports) -> Result<Self> {
        let mut all = BTreeMap::new();
        for (caller, dependency) in PAIRS {
            let name = format!(
                "{} to {}",
                caller.map_or("clients", Service::name),
                dependency.name()
            );
            let mut links = Vec::new();
            for (port, server) in ends(ports, caller, dependency)? {
                links.push(Link::open(name.clone(), port, server).await?);
            }
            all.insert((caller, dependency), links);
        }
        Ok(Self(all))
    }

    /// None where the one does not call the other.
    pub fn of(&self, arrow: Arrow) -> &[Link] {
        self.0.get(&arrow).map_or(&[], Vec::as_slice)
    }

    /// Every connection to a dependency.
    pub fn to(&self, dependency: Dependency) -> impl Iterator<Item = &Link> {
        let links = self.0.iter().filter(move |((_, to), _)| *to == dependency);
        links.flat_map(|(_, links)| links)
    }
}

/// Where each link of a pair listens (0: anywhere), and the port that it stands before.
fn ends(ports: Ports, caller: Caller, dependency: Dependency) -> Result<Vec<(u16, u16)>> {
    let each_of = |service: Service, beside: u16| {
        let instances = (0..INSTANCES).map(|number| ports.instance(service.index(), number));
        instances.map(|first| (0, first + beside)).collect()
    };
    Ok(match dependency {
        Dependency::Postgres => vec![(0, ports.postgres())],
        Dependency::Redis => vec![(0, ports.redis())],
        Dependency::ObjectStore => vec![(0, ports.object_store())],
        Dependency::CommandApi => each_of(Service::CommandApi, 0),
        Dependency::QueryApi => each_of(Service::QueryApi, 0),
        Dependency::QueryGrpc => each_of(Service::QueryApi, 1),
        // One address is all that a setting takes.
        Dependency::UploaderAdmin => vec![(0, ports.instance(Service::Uploader.index(), 0) + 2)],
        Dependency::Kafka => {
            let listener = ON_KAFKA.iter().position(|service| Some(*service) == caller);
            let listener = listener.context("this service has no listener")? as u16;
            let servers = (1..=NODES).map(|node| ports.broker_for(node, listener));
            servers.map(|server| (server + KAFKA_SHIFT, server)).collect()
        }
    })
}
