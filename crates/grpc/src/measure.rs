//! A span and the request metrics for each call.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use depot_service::{metrics::record_request, telemetry::RequestSpan};
use http::{Request, Response};
use tonic::Code;
use tower::{Layer, Service};
use tracing::{Span, field::Empty};

/// What every server has beside its service: labels are from a fixed set, whatever a caller asks for.
const BESIDE: [&str; 3] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];

/// Measures every call of a server.
#[derive(Debug, Clone, Copy)]
pub struct MeasureLayer {
    /// The methods of its service, by path.
    pub methods: &'static [&'static str],
    /// Whether they only read.
    pub only_reads: bool,
}

impl<S> Layer<S> for MeasureLayer {
    type Service = Measure<S>;

    fn layer(&self, inner: S) -> Measure<S> {
        Measure { inner, of: *self }
    }
}

/// A service whose calls are measured.
#[derive(Debug, Clone)]
pub struct Measure<S> {
    inner: S,
    of: MeasureLayer,
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
        let path = request.uri().path();
        let method = self.of.methods.iter().find(|known| **known == path);
        let beside = || BESIDE.iter().find(|known| **known == path);
        let route = method.or_else(beside).copied().unwrap_or("other");
        // What is beside the service reads.
        let is_read = self.of.only_reads || method.is_none();
        let span = RequestSpan::new(is_read, request.headers(), move || call_span(route));
        let answer = self.inner.call(request);
        let measured = async move {
            let answer = answer.await?;
            // A status that comes with the head is an error; a call that is answered has it after its messages.
            let status = answer
                .headers()
                .get("grpc-status")
                .map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
            record_request("gRPC", route, name(status), started.elapsed());
            tell(status);
            Ok(answer)
        };
        Box::pin(span.run(measured))
    }
}

/// By OpenTelemetry's conventions for gRPC: <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>.
fn call_span(route: &'static str) -> Span {
    let called = route.trim_start_matches('/');
    let (service, method) = called.split_once('/').unwrap_or((called, called));
    tracing::info_span!(
        "grpc call",
        otel.name = called,
        otel.kind = "server",
        otel.status_code = Empty,
        error.type = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
        rpc.response.status_code = Empty,
    )
}

/// Completes the call's span, where it is made and exported.
fn tell(status: Code) {
    if !depot_spans::is_recording() {
        return;
    }
    let span = Span::current();
    span.record("rpc.grpc.status_code", i64::from(i32::from(status)));
    span.record("rpc.response.status_code", name(status));
    // What the caller did wrong is no fault of the server.
    if matches!(
        status,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    ) {
        span.record("error.type", name(status));
        span.record("otel.status_code", "ERROR");
    }
}

fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
