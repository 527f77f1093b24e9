use anyhow::Context;
use depot_proto::v1::{AtLeast, GetItemRequest, Item, query_service_client::QueryServiceClient};
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

/// The gRPC API as a client sees it.
pub struct Grpc {
    client: QueryServiceClient<Channel>,
    authorization: MetadataValue<Ascii>,
}

impl Grpc {
    /// Connects with the first call.
    pub fn connect(url: &str, token: &str) -> anyhow::Result<Self> {
        let channel = Endpoint::from_shared(url.to_owned())
            .context("GRPC_PUBLIC_URL is no URL")?
            .connect_lazy();
        Ok(Self {
            client: QueryServiceClient::new(channel),
            authorization: format!("Bearer {token}").parse()?,
        })
    }

    /// An item that must be at least of `version`, waiting for it as long as the hop allows.
    pub async fn item(&mut self, id: &str, version: &str) -> anyhow::Result<Item> {
        let at_least = AtLeast {
            min_version: version.to_owned(),
            wait: None,
        };
        let mut request = Request::new(GetItemRequest {
            id: id.to_owned(),
            at_least: Some(at_least),
        });
        request.set_timeout(std::time::Duration::from_secs(15));
        request
            .metadata_mut()
            .insert("authorization", self.authorization.clone());
        Ok(self.client.get_item(request).await?.into_inner())
    }
}
