//! `depot.v1.CommandService`.

use depot_proto::v1::{self, command_service_server::CommandService};
use tonic::{Request, Response, Status};

use super::{CommandDesk, items, uploads};

/// Hands each call to its function.
pub struct CommandRpc(pub CommandDesk);

#[tonic::async_trait]
impl CommandService for CommandRpc {
    async fn create_item(
        &self,
        request: Request<v1::CreateItemRequest>,
    ) -> Result<Response<v1::Item>, Status> {
        items::create(&self.0, request).await
    }

    async fn update_item(
        &self,
        request: Request<v1::UpdateItemRequest>,
    ) -> Result<Response<v1::Item>, Status> {
        items::update(&self.0, request).await
    }

    async fn patch_item(&self, request: Request<v1::PatchItemRequest>) -> Result<Response<v1::Item>, Status> {
        items::patch(&self.0, request).await
    }

    async fn delete_item(
        &self,
        request: Request<v1::DeleteItemRequest>,
    ) -> Result<Response<v1::DeleteItemResponse>, Status> {
        items::delete(&self.0, request).await
    }

    async fn request_upload(
        &self,
        request: Request<v1::RequestUploadRequest>,
    ) -> Result<Response<v1::RequestUploadResponse>, Status> {
        uploads::request(&self.0, request).await
    }

    async fn sign_parts(
        &self,
        request: Request<v1::SignPartsRequest>,
    ) -> Result<Response<v1::SignPartsResponse>, Status> {
        uploads::sign_parts(&self.0, request).await
    }

    async fn complete_upload(
        &self,
        request: Request<v1::CompleteUploadRequest>,
    ) -> Result<Response<v1::Upload>, Status> {
        uploads::complete(&self.0, request).await
    }

    async fn abort_upload(
        &self,
        request: Request<v1::AbortUploadRequest>,
    ) -> Result<Response<v1::Upload>, Status> {
        uploads::abort(&self.0, request).await
    }
}
