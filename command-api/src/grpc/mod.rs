//! gRPC: the commands that REST takes, in terms of messages. What is carried out is the same, by the same executor.

mod convert;
mod door;
mod items;
mod read;
mod service;
mod status;
mod uploads;

use std::{future, sync::Arc, time::Duration};

use depot_grpc::{GrpcError, Limits, Offered};
use depot_proto::v1::{
    self,
    command_service_server::{CommandServiceServer, SERVICE_NAME},
};
use depot_service::{auth::Door, health::Readiness};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{announcement::Announcements, commands::Writer, execution::Executor};
use service::CommandRpc;

/// What commands are taken with.
pub struct CommandDesk {
    pub door: Arc<Door>,
    pub executor: Executor,
    pub writer: Writer,
    pub announcements: Announcements,
    /// The longest that a call may take, whatever its deadline.
    pub longest: Duration,
}

/// How much is taken at once.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    pub max_calls: usize,
    /// The largest message.
    pub max_request_bytes: usize,
}

/// Paths of the methods.
mod method {
    pub const CREATE_ITEM: &str = "/depot.v1.CommandService/CreateItem";
    pub const UPDATE_ITEM: &str = "/depot.v1.CommandService/UpdateItem";
    pub const PATCH_ITEM: &str = "/depot.v1.CommandService/PatchItem";
    pub const DELETE_ITEM: &str = "/depot.v1.CommandService/DeleteItem";
    pub const REQUEST_UPLOAD: &str = "/depot.v1.CommandService/RequestUpload";
    pub const SIGN_PARTS: &str = "/depot.v1.CommandService/SignParts";
    pub const COMPLETE_UPLOAD: &str = "/depot.v1.CommandService/CompleteUpload";
    pub const ABORT_UPLOAD: &str = "/depot.v1.CommandService/AbortUpload";
    pub const ALL: [&str; 8] = [
        CREATE_ITEM,
        UPDATE_ITEM,
        PATCH_ITEM,
        DELETE_ITEM,
        REQUEST_UPLOAD,
        SIGN_PARTS,
        COMPLETE_UPLOAD,
        ABORT_UPLOAD,
    ];
}

/// Serves until `stop`; then no call is accepted, and calls under way are finished.
///
/// # Errors
/// [`GrpcError`].
pub async fn serve(
    listener: TcpListener,
    desk: CommandDesk,
    readiness: Readiness,
    limits: CallLimits,
    stop: CancellationToken,
) -> Result<(), GrpcError> {
    let service =
        CommandServiceServer::new(CommandRpc(desk)).max_decoding_message_size(limits.max_request_bytes);
    let offered = Offered {
        name: SERVICE_NAME,
        methods: &method::ALL,
        only_reads: false,
        descriptors: v1::COMMAND_DESCRIPTORS,
        routes: Routes::new(service),
    };
    let max_calls = limits.max_calls;
    let is_ready = move || future::ready(readiness.was_ready_at_last());
    depot_grpc::serve(listener, offered, Limits { max_calls }, is_ready, stop).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_method_of_the_contract_is_named() {
        let files = FileDescriptorSet::decode(v1::COMMAND_DESCRIPTORS).unwrap().file;
        let services = files
            .iter()
            .filter(|file| file.package() == "depot.v1")
            .flat_map(|file| &file.service);
        let declared: BTreeSet<String> = services
            .flat_map(|service| {
                let path = |method: &str| format!("/depot.v1.{}/{method}", service.name());
                service.method.iter().map(move |method| path(method.name()))
            })
            .collect();
        assert_eq!(declared, method::ALL.map(str::to_owned).into());
    }
}
