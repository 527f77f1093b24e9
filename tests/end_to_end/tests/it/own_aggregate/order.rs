//! `depot.v1.OrderService`, which only the copy of the repository has: its messages as the page declares them.

use depot_proto::v1;
use tonic::{
    Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, prost::Message)]
struct GetOrderRequest {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "2")]
    at_least: Option<v1::AtLeast>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Order {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub owner: String,
    #[prost(string, tag = "3")]
    pub customer: String,
    #[prost(message, repeated, tag = "4")]
    pub lines: Vec<OrderLine>,
    #[prost(string, tag = "5")]
    pub status: String,
    #[prost(string, tag = "6")]
    pub carrier: String,
    #[prost(string, tag = "7")]
    pub version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct OrderLine {
    #[prost(string, tag = "1")]
    pub article: String,
    #[prost(uint32, tag = "2")]
    pub quantity: u32,
}

/// An order, in that version or a later one.
pub async fn get_order(url: &str, token: &str, id: &str, min_version: &str) -> Result<Order, Status> {
    let channel: Channel = Endpoint::from_shared(url.to_owned())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.unwrap();
    let mut request = Request::new(GetOrderRequest {
        id: id.to_owned(),
        at_least: Some(v1::AtLeast {
            min_version: min_version.to_owned(),
            wait: None,
        }),
    });
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let path = PathAndQuery::from_static("/depot.v1.OrderService/GetOrder");
    let answer: tonic::Response<Order> = grpc.unary(request, path, ProstCodec::default()).await?;
    Ok(answer.into_inner())
}
