//! The questions over gRPC, on a port of their own: axum's listener has no settings for HTTP/2.

mod call;
mod convert;
mod fields;
mod measure;
mod service;
mod shed;
mod status;

use std::{sync::Arc, time::Duration};

use depot_proto::v1::{self, query_service_server::QueryServiceServer};
use depot_retry::Bulkhead;
use depot_service::auth::Door;
use tokio::{net::TcpListener, time::interval};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Server, server::TcpIncoming};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{queries::Queries, read::Pointer};
use measure::MeasureLayer;
use service::QueryRpc;
use shed::ShedLayer;

/// A request is a few ids and filters.
const MAX_REQUEST_BYTES: usize = 256 * 1024;
/// A page of items has about 3 MiB at most, one history page of long items more.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;
const MAX_STREAMS_PER_CONNECTION: u32 = 256;
/// A connection whose other side is silently gone is found out by this.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const HEALTH_EVERY: Duration = Duration::from_secs(1);
/// How often a caller may ping without being taken for an attacker is hyper's; a head of 16 KiB is a token of 8 and room.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// Why the gRPC listener ended.
#[derive(Debug, thiserror::Error)]
pub enum GrpcError {
    #[error("the descriptors of the gRPC services cannot be served")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("the gRPC listener failed")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves until `stop`; then no call is accepted, and calls under way are finished.
///
/// # Errors
/// [`GrpcError`].
pub async fn serve(
    listener: TcpListener,
    queries: Queries,
    door: Arc<Door>,
    pointer: Pointer,
    max_calls: usize,
    stop: CancellationToken,
) -> Result<(), GrpcError> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let service = QueryServiceServer::new(QueryRpc { queries, door })
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .max_encoding_message_size(MAX_ANSWER_BYTES);
    let serving = Server::builder()
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .layer(MeasureLayer)
        .layer(ShedLayer(Bulkhead::new("gRPC calls", max_calls)))
        .add_service(health)
        .add_service(reflection)
        .add_service(service)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            stop.clone().cancelled_owned(),
        );
    let (served, ()) = tokio::join!(serving, report_health(reporter, pointer, stop));
    Ok(served?)
}

/// Keeps `grpc.health.v1` at what the readiness probe says, by service name and for the process (the empty name).
async fn report_health(reporter: HealthReporter, pointer: Pointer, stop: CancellationToken) {
    let mut tick = interval(HEALTH_EVERY);
    loop {
        let stopping = stop.run_until_cancelled(tick.tick()).await.is_none();
        let status = match pointer.check() {
            Ok(()) if !stopping => ServingStatus::Serving,
            _ => ServingStatus::NotServing,
        };
        for name in ["", v1::query_service_server::SERVICE_NAME] {
            reporter.set_service_status(name, status).await;
        }
        if stopping {
            return;
        }
    }
}
