//! What is seen of a request from the outside.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::measure::Measure;
use super::problems;
use super::trace::Trace;

/// Traces and measures a request, and completes its problem document in its span.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let (trace, measure) = (Trace::begin(&request), Measure::begin(&request));
    let uri = request.uri().clone();
    let answering = async move {
        let response = next.run(request).await;
        measure.end(&response);
        problems::complete(response, &uri).await
    };
    let mut response = answering.instrument(trace.span.clone()).await;
    trace.end(&mut response);
    response
}
