//! A campaign that breaks everything under load, and checks the promises from outside.
//!
//! It has an installation of its own: two instances of each service, three Kafka brokers, Postgres, Redis and an object
//! store, all on loopback. A proxy stands in each connection that a service opens to a server or to another service, and
//! in each that a client of the load opens to an API or to the object store. What looks on goes past them: the check, the
//! `depot` tool, what puts messages on topics, and the probes of readiness; brokers among themselves have none.
//!
//! Clients drive a mixed load and remember what they were told; faults come on a schedule that follows from a seed;
//! afterwards Kafka, every table, every view, Redis and both buckets are read from the start and compared with that
//! memory. Of the services' code it has what is no logic of theirs: `depot-schemas` names the topics, and `depot-service`
//! signs the tokens, as an issuer does, and installs the provider of cryptography.
//!
//! The rehearsal of an upgrade (`tests/rolling`) has the same installation, load and check.

pub mod campaign;
mod canary;
pub mod check;
pub mod client;
mod fault;
pub mod history;
pub mod inject;
pub mod interrupted;
pub mod load;
pub mod log;
mod plan;
pub mod settling;
pub mod site;
mod topics;

pub use site::Programs;
