//! The questions over gRPC.

mod convert;
mod declared;
mod fields;
mod service;
mod status;

use std::{future, sync::Arc};

use depot_grpc::{GrpcError, Limits, Offered};
use depot_proto::v1::{
    self,
    query_service_server::{QueryServiceServer, SERVICE_NAME},
};
use depot_service::auth::Door;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{queries::Queries, read::Pointer};
pub use declared::Seen;
pub use service::QueryRpc;

const METHODS: &[&str] = &[
    "/depot.v1.QueryService/GetItem",
    "/depot.v1.QueryService/BatchGetItems",
    "/depot.v1.QueryService/ListItems",
    "/depot.v1.QueryService/GetItemHistory",
    "/depot.v1.QueryService/GetUpload",
    "/depot.v1.QueryService/GetDownloadUrl",
    "/depot.v1.QueryService/GetStatistics",
    "/depot.v1.QueryService/WatchItems",
];
/// A request is a few ids and filters.
const MAX_REQUEST_BYTES: usize = 256 * 1024;
/// A page of items has about 3 MiB at most, one history page of long items more.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

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
    let rpc = QueryRpc { queries, door };
    let service = QueryServiceServer::new(rpc.clone())
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .max_encoding_message_size(MAX_ANSWER_BYTES);
    // Behind this line comes what declared aggregates add to it.
    let routes = Routes::new(service);
    let offered = Offered {
        name: SERVICE_NAME,
        methods: METHODS,
        only_reads: true,
        descriptors: v1::QUERY_DESCRIPTORS,
        routes,
    };
    let is_ready = || future::ready(pointer.check().is_ok());
    depot_grpc::serve(listener, offered, Limits { max_calls }, is_ready, stop).await
}
