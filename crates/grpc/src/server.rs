use std::time::Duration;

use depot_retry::Bulkhead;
use tokio::{net::TcpListener, time::interval};
use tokio_util::sync::CancellationToken;
use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{measure::MeasureLayer, shed::ShedLayer};

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
    /// They are compiled into the program.
    #[error("the descriptors of the gRPC services cannot be served")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// Of the listener, not of a connection.
    #[error("the gRPC listener failed")]
    Transport(#[from] tonic::transport::Error),
}

/// A service and what is to be known of it.
#[derive(Debug)]
pub struct Offered {
    /// Its full name, such as `depot.v1.QueryService`, by which its health is asked for.
    pub name: &'static str,
    /// The paths of its methods, such as `/depot.v1.QueryService/GetItem`: labels of metrics and names of spans.
    pub methods: &'static [&'static str],
    /// Whether they only read: then no span is made of what nobody looks at.
    pub only_reads: bool,
    /// Its files and those that they import, for reflection.
    pub descriptors: &'static [u8],
    /// The service itself, with its limits of sizes.
    pub routes: Routes,
}

/// How much is taken at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls of all connections; what comes beyond is refused at once.
    pub max_calls: usize,
}

/// Serves until `stop`; then no call is accepted, and calls under way are finished. `is_ready` is asked once a second what
/// `grpc.health.v1` says.
///
/// # Errors
/// [`GrpcError`].
pub async fn serve<R: Future<Output = bool> + Send>(
    listener: TcpListener,
    offered: Offered,
    limits: Limits,
    is_ready: impl Fn() -> R + Send,
    stop: CancellationToken,
) -> Result<(), GrpcError> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(offered.descriptors)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let serving = Server::builder()
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .layer(MeasureLayer {
            methods: offered.methods,
            only_reads: offered.only_reads,
        })
        .layer(ShedLayer(Bulkhead::new("gRPC calls", limits.max_calls)))
        .add_routes(offered.routes.add_service(health).add_service(reflection))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            stop.clone().cancelled_owned(),
        );
    let (served, ()) = tokio::join!(serving, report_health(reporter, offered.name, is_ready, stop));
    Ok(served?)
}

/// Keeps `grpc.health.v1` at what the process says of itself, by service name and for the process (the empty name).
async fn report_health<R: Future<Output = bool> + Send>(
    reporter: HealthReporter,
    name: &'static str,
    is_ready: impl Fn() -> R + Send,
    stop: CancellationToken,
) {
    let mut tick = interval(HEALTH_EVERY);
    loop {
        let asked = async {
            tick.tick().await;
            is_ready().await
        };
        let ready = stop.run_until_cancelled(asked).await;
        let status = match ready {
            Some(true) => ServingStatus::Serving,
            _ => ServingStatus::NotServing,
        };
        for name in ["", name] {
            reporter.set_service_status(name, status).await;
        }
        if ready.is_none() {
            return;
        }
    }
}
