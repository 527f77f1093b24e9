//! The main job on real input, hop by hop: command accepted, in Kafka, in the view, in the object store.

mod api;
mod grpc;
mod hops;
mod item_story;
mod log;
mod upload_story;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use depot_service::{auth::Role, config::KafkaConfig};
use serde_json::{Map, json};

use self::{api::Api, grpc::Grpc, hops::Hops, log::Log};
use crate::{
    help::{self, EXIT_CODES},
    output::{self, NOT_DONE},
    settings, token,
};

/// Drives the main job on the running services, and prints how long each hop took.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(EXIT_CODES, &["depot demo", "depot demo --file film.mp4 --json"]))]
pub struct Arguments {
    /// The file to upload; without it, the first 8 MiB of this program.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Print the hops as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Where the services answer.
pub struct Endpoints {
    pub command: String,
    pub query: String,
    pub grpc: String,
    /// Ports of probes and metrics, by service.
    pub admin: Vec<(&'static str, u16)>,
}

const ADMIN_PORTS: [(&str, &str, u16); 4] = [
    ("command-api", "COMMAND_API_ADMIN_PORT", 9180),
    ("query-api", "QUERY_API_ADMIN_PORT", 9181),
    ("projector", "PROJECTOR_ADMIN_PORT", 9182),
    ("uploader", "UPLOADER_ADMIN_PORT", 9183),
];

const DEMO_FILE_BYTES: usize = 8 * 1024 * 1024;

pub async fn run(arguments: &Arguments) -> ExitCode {
    let mut hops = Hops::default();
    match drive(arguments, &mut hops).await {
        Ok(_) if arguments.json => output::end_json(&json!({ "hops": hops.as_json() }), 0),
        Ok(what_to_try) => output::end(&(hops.table() + &what_to_try), 0),
        Err(error) => {
            if !arguments.json {
                // Up to where it came; that nobody reads it is no further fault.
                drop(output::write(&hops.table()));
            }
            let hops = Map::from_iter([("hops".to_owned(), hops.as_json())]);
            output::fail_with(arguments.json, &format!("{error:#}"), NOT_DONE, hops)
        }
    }
}

/// Takes all hops; answers what there is to be tried next.
async fn drive(arguments: &Arguments, hops: &mut Hops) -> anyhow::Result<String> {
    let (endpoints, kafka) = settings::read(|reader| {
        let endpoints = Endpoints {
            command: reader.url("COMMAND_PUBLIC_URL", "http://localhost:8080"),
            query: reader.url("QUERY_PUBLIC_URL", "http://localhost:8081"),
            grpc: reader.url("GRPC_PUBLIC_URL", "http://localhost:50051"),
            admin: ADMIN_PORTS
                .map(|(service, name, default)| (service, reader.port(name, default)))
                .to_vec(),
        };
        (endpoints, KafkaConfig::read(reader))
    })?;
    let token = token::mint("alice", Role::Writer, Duration::from_secs(12 * 3600))?;
    let file = read_file(arguments).await?;

    tell(hops, &endpoints, &kafka, &token, file).await?;
    Ok(what_to_try(&endpoints, &token, &kafka))
}

async fn tell(
    hops: &mut Hops,
    endpoints: &Endpoints,
    kafka: &KafkaConfig,
    token: &str,
    file: Vec<u8>,
) -> anyhow::Result<()> {
    let api = Api::new(endpoints, token)?;
    let mut grpc = Grpc::connect(&endpoints.grpc, token)?;
    let log = hops.run("Kafka", "the log is readable", Log::open(kafka)).await?;
    let item = item_story::tell(hops, &api, &mut grpc, &log).await?;
    upload_story::tell(hops, &api, &mut grpc, &log, &item, file).await
}

async fn read_file(arguments: &Arguments) -> anyhow::Result<Vec<u8>> {
    let (path, limit) = match &arguments.file {
        Some(path) => (path.clone(), usize::MAX),
        None => (
            std::env::current_exe().context("find this program's file")?,
            DEMO_FILE_BYTES,
        ),
    };
    let mut bytes = tokio::fs::read(&path)
        .await
        .with_context(|| format!("read {}", path.display()))?;
    bytes.truncate(limit);
    Ok(bytes)
}

fn what_to_try(endpoints: &Endpoints, token: &str, kafka: &KafkaConfig) -> String {
    let Endpoints {
        command,
        query,
        grpc,
        admin,
    } = endpoints;
    let grpc = grpc.trim_start_matches("http://");
    let metrics: Vec<_> = admin
        .iter()
        .map(|(service, port)| format!("  http://localhost:{port}/metrics  {service}"))
        .collect();
    format!(
        "\nThe stack is running:
  commands  {command}    queries  {query}    gRPC  {grpc}
{}

A token to try it with (alice, writer, 12 hours):
  export TOKEN={token}

Three commands to try next:
  curl -s -H \"Authorization: Bearer $TOKEN\" '{query}/api/v1/items?limit=5'
  kcat -C -b {} -t {}.items.v1 -o beginning -e -f 'key %k\\nheaders %h\\n%s\\n\\n'
  grpcurl -plaintext -H \"authorization: Bearer $TOKEN\" -d '{{\"page_size\": 5}}' {grpc} depot.v1.QueryService/ListItems\n",
        metrics.join("\n"), kafka.brokers, kafka.topic_prefix
    )
}
