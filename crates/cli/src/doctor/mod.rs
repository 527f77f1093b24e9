//! `depot doctor`: whether an installation is as it is to be, part by part, and what mends what is not.
//!
//! It looks and changes nothing: by the admin ports, the operators' database role, and requests to Kafka, Redis and the
//! object store that only read. What the services check when they start is checked by the same code.

mod answer;
mod cache;
mod clock;
mod database;
mod dead_letters;
mod finding;
mod installation;
mod instances;
mod kafka;
mod lag;
mod object_store;
mod operator_database;
mod outbox;
mod report;
mod sagas;
mod services;
mod settings;

use std::{process::ExitCode, time::Duration};

use clap::ValueEnum;
use futures::future::{BoxFuture, FutureExt as _, join_all};
use serde::Serialize;
use tokio::time::timeout;

use self::{answer::Answer, installation::Installation, instances::Instance, report::Report};
use crate::{help, output};

/// For one part. Each request in it has less.
const LIMIT: Duration = Duration::from_secs(90);
/// The tool itself cannot begin.
const CANNOT_LOOK: u8 = 3;

const AFTER_HELP: &str = "\
Exit codes:
  0  nothing is wrong
  1  there are faults
  2  wrong usage
  3  a part could not be looked at, since it does not answer or its settings are wrong; there may be more
  4  there are warnings, and no fault

It needs OPERATOR_DATABASE_URL, KAFKA_BROKERS, REDIS_ADDR, MINIO_ENDPOINT with the keys of `depot buckets`, and the
addresses of all instances' admin ports (COMMAND_API_ADMIN_URLS, QUERY_API_ADMIN_URLS, PROJECTOR_ADMIN_URLS,
UPLOADER_ADMIN_URLS; several with commas between them). Nothing is changed. docs/operations.md has all findings.";

/// Looks at a whole installation, and says what is wrong and what mends it.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(AFTER_HELP, &[
    "depot doctor",
    "depot doctor --part kafka --part outbox --patience 5 --json",
]))]
pub struct Arguments {
    /// Look at this part only; may be given several times.
    #[arg(long = "part", value_name = "PART")]
    parts: Vec<Part>,
    /// How long something may take that is done at once where all is well: an event that waits, a transaction, a deadline.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(..=86_400))]
    patience: u64,
    /// How much of the object store's disks has to be free. Less than half of it is a fault.
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(..=100))]
    least_free_percent: u8,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A part of an installation, in the order in which they are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Part {
    /// The variables of this tool, and published secrets.
    Settings,
    /// The instances: whether they answer, are ready, and of one version.
    Services,
    /// The clocks of all machines.
    Clock,
    /// Postgres: migrations, roles, durability, old transactions.
    Database,
    /// Brokers and topics.
    Kafka,
    /// What waits to be published.
    Outbox,
    /// How far the consumer groups are behind.
    Lag,
    /// Sagas that are stuck, deadlines that were missed.
    Sagas,
    /// Messages that could not be handled.
    DeadLetters,
    /// Redis.
    Cache,
    /// Buckets, their rules, and room.
    ObjectStore,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Services => "services",
            Self::Clock => "clock",
            Self::Database => "database",
            Self::Kafka => "kafka",
            Self::Outbox => "outbox",
            Self::Lag => "lag",
            Self::Sagas => "sagas",
            Self::DeadLetters => "dead-letters",
            Self::Cache => "cache",
            Self::ObjectStore => "object-store",
        }
    }

    /// Whether the instances are asked for it.
    fn asks_instances(self) -> bool {
        matches!(self, Self::Services | Self::Clock | Self::Lag)
    }
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let installation = match Installation::from_settings(arguments) {
        Ok(installation) => installation,
        Err(error) => {
            let error = depot_service::problem::chain(&error);
            return output::fail(arguments.json, &error, CANNOT_LOOK);
        }
    };
    let is_meant = |part: &&Part| arguments.parts.is_empty() || arguments.parts.contains(part);
    let parts: Vec<Part> = Part::value_variants().iter().filter(is_meant).copied().collect();
    let report = Report::new(examine(&installation, &parts).await);
    match arguments.json {
        true => output::end_json(&report, report.exit_code()),
        false => output::end(&report.text(), report.exit_code()),
    }
}

/// All parts side by side; the answers are in the parts' order.
async fn examine(installation: &Installation, parts: &[Part]) -> Vec<(Part, Answer)> {
    let is_asked = parts.iter().any(|part| part.asks_instances());
    let instances = match installation.services.as_ref().filter(|_| is_asked) {
        Some(services) => instances::ask_all(&installation.http, services).await,
        None => Vec::new(),
    };
    let looks = parts.iter().map(|part| {
        let look = look(*part, installation, &instances);
        async move {
            let late = || Answer::unseen(format!("not within {} s", LIMIT.as_secs()));
            (*part, timeout(LIMIT, look).await.unwrap_or_else(|_| late()))
        }
    });
    join_all(looks).await
}

fn look<'a>(part: Part, installation: &'a Installation, instances: &'a [Instance]) -> BoxFuture<'a, Answer> {
    match part {
        Part::Settings => settings::look(installation).boxed(),
        Part::Services => std::future::ready(services::look(instances)).boxed(),
        Part::Clock => clock::look(installation, instances).boxed(),
        Part::Database => database::look(installation).boxed(),
        Part::Kafka => kafka::look(installation).boxed(),
        Part::Outbox => outbox::look(installation).boxed(),
        Part::Lag => lag::look(installation, instances).boxed(),
        Part::Sagas => sagas::look(installation).boxed(),
        Part::DeadLetters => dead_letters::look(installation).boxed(),
        Part::Cache => cache::look(installation).boxed(),
        Part::ObjectStore => object_store::look(installation).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_called_the_same_as_argument_as_heading_and_in_json() {
        for part in Part::value_variants() {
            let argument = part.to_possible_value().unwrap();
            assert_eq!(argument.get_name(), part.name());
            assert_eq!(serde_json::to_value(part).unwrap(), part.name());
        }
    }
}
