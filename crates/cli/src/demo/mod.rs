//! The main job on real input, hop by hop: command accepted, in Kafka, in the view, in the object store.

mod api;
mod grpc;
mod hops;
mod item_story;
mod log;
mod upload_story;

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use depot_service::{auth::Role, config::KafkaConfig};

use self::{api::Api, grpc::Grpc, hops::Hops, log::Log};
use crate::{settings, token};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file to upload; without it, the first 8 MiB of this program.
    #[arg(long)]
    file: Option<PathBuf>,
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

pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
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

    let mut hops = Hops::default();
    let told = tell(&mut hops, &endpoints, &kafka, &token, file).await;
    hops.print_table();
    told?;
    print_what_to_try(&endpoints, &token, &kafka);
    Ok(())
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

fn print_what_to_try(endpoints: &Endpoints, token: &str, kafka: &KafkaConfig) {
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
    println!(
        "\nThe stack is running:
  commands  {command}    queries  {query}    gRPC  {grpc}
{}

A token to try it with (alice, writer, 12 hours):
  export TOKEN={token}

Three commands to try next:
  curl -s -H \"Authorization: Bearer $TOKEN\" '{query}/api/v1/items?limit=5'
  kcat -C -b {} -t {}.items.v1 -o beginning -e -f 'key %k\\nheaders %h\\n%s\\n\\n'
  grpcurl -plaintext -H \"authorization: Bearer $TOKEN\" -d '{{\"page_size\": 5}}' {grpc} depot.v1.QueryService/ListItems",
        metrics.join("\n"), kafka.brokers, kafka.topic_prefix
    );
}
