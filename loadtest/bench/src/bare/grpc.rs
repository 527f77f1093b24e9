use std::{net::Ipv4Addr, path::Path, sync::Arc};

use anyhow::Result;
use depot_proto::v1::{
    self,
    query_service_server::{QueryService, QueryServiceServer},
};
use depot_service::{
    auth::{Door, TokenVerifier},
    config::JwtConfig,
};
use depot_test_stack::settings;
use futures::stream::Empty;
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// Answers one item to whoever has a token.
struct Bare {
    door: Arc<Door>,
    item: v1::Item,
}

/// Serves the item that lies in a file, encoded, until the process is ended.
pub async fn serve_grpc(port: u16, item: &Path) -> Result<()> {
    let jwt = JwtConfig::for_secret(settings().get("JWT_SECRET"));
    let bare = Bare {
        door: Door::without_limit(TokenVerifier::new(&jwt)),
        item: prost::Message::decode(std::fs::read(item)?.as_slice())?,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = Server::builder().add_service(QueryServiceServer::new(bare));
    Ok(server.serve_with_incoming(incoming).await?)
}

fn other<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("a limit answers GetItem alone"))
}

#[tonic::async_trait]
impl QueryService for Bare {
    async fn get_item(&self, request: Request<v1::GetItemRequest>) -> Result<Response<v1::Item>, Status> {
        let entered = self.door.enter(request.metadata().as_ref()).await;
        entered.map_err(|refused| Status::unauthenticated(refused.to_string()))?;
        Ok(Response::new(self.item.clone()))
    }

    async fn batch_get_items(
        &self,
        _: Request<v1::BatchGetItemsRequest>,
    ) -> Result<Response<v1::BatchGetItemsResponse>, Status> {
        other()
    }

    async fn list_items(
        &self,
        _: Request<v1::ListItemsRequest>,
    ) -> Result<Response<v1::ListItemsResponse>, Status> {
        other()
    }

    async fn get_item_history(
        &self,
        _: Request<v1::GetItemHistoryRequest>,
    ) -> Result<Response<v1::GetItemHistoryResponse>, Status> {
        other()
    }

    async fn get_upload(&self, _: Request<v1::GetUploadRequest>) -> Result<Response<v1::Upload>, Status> {
        other()
    }

    async fn get_download_url(
        &self,
        _: Request<v1::GetDownloadUrlRequest>,
    ) -> Result<Response<v1::GetDownloadUrlResponse>, Status> {
        other()
    }

    async fn get_statistics(
        &self,
        _: Request<v1::GetStatisticsRequest>,
    ) -> Result<Response<v1::GetStatisticsResponse>, Status> {
        other()
    }

    type WatchItemsStream = Empty<Result<v1::WatchItemsResponse, Status>>;

    async fn watch_items(
        &self,
        _: Request<v1::WatchItemsRequest>,
    ) -> Result<Response<Self::WatchItemsStream>, Status> {
        other()
    }
}
