use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, response::IntoResponse};

/// A collector of traces that keeps all it is sent.
pub async fn collector() -> (String, Arc<Mutex<Vec<u8>>>) {
    async fn keep(State(kept): State<Arc<Mutex<Vec<u8>>>>, body: Bytes) -> impl IntoResponse {
        kept.lock().unwrap().extend_from_slice(&body);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/grpc".parse().unwrap());
        headers.insert("grpc-status", "0".parse().unwrap());
        // An empty message.
        (headers, Bytes::from_static(&[0; 5]))
    }
    let kept = Arc::new(Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().fallback(keep).with_state(Arc::clone(&kept));
    let serving = tonic::transport::Server::builder()
        .add_routes(tonic::service::Routes::from(routes))
        .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
    tokio::spawn(serving);
    (url, kept)
}
