use std::time::Duration;

use depot_proto::v1::{WatchItemsRequest, WatchItemsResponse, query_service_client::QueryServiceClient};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;
use tonic::{
    Request, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use super::{Arguments, error::WatchError};
use crate::settings;

const CONNECT: Duration = Duration::from_secs(10);
/// Until the stream begins.
const BEGIN: Duration = Duration::from_secs(30);
/// A stream on which nothing happens asks now and then whether the other side is there.
const ASK_EVERY: Duration = Duration::from_secs(20);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// query-api's gRPC, for one token and one filter.
pub struct Source {
    client: QueryServiceClient<Channel>,
    authorization: MetadataValue<Ascii>,
    filter: WatchItemsRequest,
    pub url: String,
}

impl Source {
    /// By GRPC_PUBLIC_URL and DEPOT_TOKEN; calls nobody yet.
    pub fn from_settings(arguments: &Arguments) -> Result<Self, WatchError> {
        let (url, token): (String, SecretString) = settings::read(|reader| {
            (
                reader.url("GRPC_PUBLIC_URL", "http://localhost:50051"),
                reader.secret("TOKEN", 1),
            )
        })?;
        if url.starts_with("https://") {
            return Err(WatchError::Tls(url));
        }
        let endpoint = Endpoint::from_shared(url.clone()).map_err(|source| WatchError::Address {
            url: url.clone(),
            source,
        })?;
        let channel = endpoint
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(ASK_EVERY)
            .keep_alive_timeout(ANSWER_WITHIN)
            .keep_alive_while_idle(true)
            .connect_lazy();
        let authorization = format!("Bearer {}", token.expose_secret()).parse();
        let mut authorization: MetadataValue<Ascii> = authorization.map_err(WatchError::Token)?;
        authorization.set_sensitive(true);
        Ok(Self {
            client: QueryServiceClient::new(channel),
            authorization,
            filter: WatchItemsRequest {
                ids: arguments.ids.iter().map(ToString::to_string).collect(),
                owner: arguments.owner.clone().unwrap_or_default(),
                tag: arguments.tag.clone().unwrap_or_default(),
                resume_token: String::new(),
            },
            url,
        })
    }

    /// Begins a stream behind the token; from now where there is none.
    pub async fn begin(&mut self, token: Option<&str>) -> Result<Streaming<WatchItemsResponse>, Status> {
        let mut request = Request::new(WatchItemsRequest {
            resume_token: token.unwrap_or_default().to_owned(),
            ..self.filter.clone()
        });
        let authorization = self.authorization.clone();
        request.metadata_mut().insert("authorization", authorization);
        match timeout(BEGIN, self.client.watch_items(request)).await {
            Ok(begun) => begun.map(tonic::Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded("the stream has not begun in 30 s")),
        }
    }
}
