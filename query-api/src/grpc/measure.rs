//! A span and the request metrics for each call.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use depot_service::{metrics::record_request, telemetry};
use http::{HeaderMap, Request, Response};
use tower::{Layer, Service};
use tracing::Instrument as _;

/// Methods by path: labels are from a fixed set, whatever a caller asks for.
const KNOWN: [&str; 10] = [
    "/depot.v1.QueryService/GetItem",
    "/depot.v1.QueryService/BatchGetItems",
    "/depot.v1.QueryService/ListItems",
    "/depot.v1.QueryService/GetItemHistory",
    "/depot.v1.QueryService/GetUpload",
    "/depot.v1.QueryService/GetDownloadUrl",
    "/depot.v1.QueryService/GetStatistics",
    "/depot.v1.QueryService/WatchItems",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
];

/// Measures every call of a server.
#[derive(Debug, Clone, Copy)]
pub struct MeasureLayer;

impl<S> Layer<S> for MeasureLayer {
    type Service = Measure<S>;

    fn layer(&self, inner: S) -> Measure<S> {
        Measure { inner }
    }
}

/// A service whose calls are measured.
#[derive(Debug, Clone)]
pub struct Measure<S> {
    inner: S,
}

type Answer<R, E> = Pin<Box<dyn Future<Output = Result<R, E>> + Send>>;

impl<S, Q, A> Service<Request<Q>> for Measure<S>
where
    S: Service<Request<Q>, Response = Response<A>, Future: Send + 'static>,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = Answer<Response<A>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let started = Instant::now();
        let route = KNOWN
            .into_iter()
            .find(|known| *known == request.uri().path())
            .unwrap_or("other");
        let span = tracing::info_span!(
            "grpc call",
            otel.name = route,
            otel.kind = "server",
            rpc.system = "grpc"
        );
        let header = |name| header(request.headers(), name);
        telemetry::set_parent_from(&span, header("traceparent"), header("tracestate"));
        let answer = self.inner.call(request);
        let measured = async move {
            let answer = answer.await?;
            // A status that comes with the head is an error; a call that is answered has it after its messages.
            let status = answer
                .headers()
                .get("grpc-status")
                .map_or("OK", |code| name(code.as_bytes()));
            record_request("gRPC", route, status, started.elapsed());
            Ok(answer)
        };
        Box::pin(measured.instrument(span))
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn name(code: &[u8]) -> &'static str {
    match tonic::Code::from_bytes(code) {
        tonic::Code::Ok => "OK",
        tonic::Code::Cancelled => "CANCELLED",
        tonic::Code::Unknown => "UNKNOWN",
        tonic::Code::InvalidArgument => "INVALID_ARGUMENT",
        tonic::Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        tonic::Code::NotFound => "NOT_FOUND",
        tonic::Code::AlreadyExists => "ALREADY_EXISTS",
        tonic::Code::PermissionDenied => "PERMISSION_DENIED",
        tonic::Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        tonic::Code::FailedPrecondition => "FAILED_PRECONDITION",
        tonic::Code::Aborted => "ABORTED",
        tonic::Code::OutOfRange => "OUT_OF_RANGE",
        tonic::Code::Unimplemented => "UNIMPLEMENTED",
        tonic::Code::Internal => "INTERNAL",
        tonic::Code::Unavailable => "UNAVAILABLE",
        tonic::Code::DataLoss => "DATA_LOSS",
        tonic::Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
