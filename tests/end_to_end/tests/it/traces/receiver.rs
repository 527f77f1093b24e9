//! A receiver of OTLP, as a collector is one: it decodes what the services export.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

/// One span, and the process that told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldSpan {
    pub service: String,
    pub trace_id: String,
    pub id: String,
    /// None of a root.
    pub parent_id: Option<String>,
    pub name: String,
    /// `SERVER`, `CLIENT`, `PRODUCER`, `CONSUMER` or `INTERNAL`.
    pub kind: &'static str,
    pub began_ns: u64,
    pub ended_ns: u64,
    /// As text, whatever their type.
    pub attributes: BTreeMap<String, String>,
    /// Ids of the spans that it is linked to.
    pub links: Vec<String>,
    pub is_error: bool,
}

impl ToldSpan {
    /// An attribute's value; empty where there is none of that name.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// Keeps all that it is sent. A clone shares it.
#[derive(Debug, Clone, Default)]
pub struct Receiver(Arc<Mutex<Vec<ToldSpan>>>);

impl Receiver {
    /// Starts one, for the life of the test's runtime; answers the address to export to, too.
    pub async fn start() -> (String, Self) {
        let receiver = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(receiver.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(serving);
        (url, receiver)
    }

    /// All that has come so far.
    pub fn spans(&self) -> Vec<ToldSpan> {
        self.0.lock().unwrap().clone()
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut told = Vec::new();
        for of_process in request.into_inner().resource_spans {
            let resource = of_process.resource.unwrap_or_default();
            let service = as_text(resource.attributes).remove("service.name");
            let service = service.ok_or_else(|| Status::invalid_argument("no service.name"))?;
            let spans = of_process
                .scope_spans
                .into_iter()
                .flat_map(|of_scope| of_scope.spans);
            told.extend(spans.map(|span| to_told(&service, span)));
        }
        self.0.lock().unwrap().extend(told);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn to_told(service: &str, span: Span) -> ToldSpan {
    ToldSpan {
        service: service.to_owned(),
        kind: match span.kind() {
            SpanKind::Server => "SERVER",
            SpanKind::Client => "CLIENT",
            SpanKind::Producer => "PRODUCER",
            SpanKind::Consumer => "CONSUMER",
            SpanKind::Internal | SpanKind::Unspecified => "INTERNAL",
        },
        is_error: span
            .status
            .as_ref()
            .is_some_and(|status| status.code() == StatusCode::Error),
        trace_id: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent_id: Some(hex(&span.parent_span_id)).filter(|id| !id.is_empty()),
        name: span.name,
        began_ns: span.start_time_unix_nano,
        ended_ns: span.end_time_unix_nano,
        attributes: as_text(span.attributes),
        links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
    }
}

fn as_text(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(is_so) => is_so.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = attributes.into_iter().filter_map(|pair| {
        let value = pair.value.and_then(|value| value.value)?;
        Some((pair.key, text(value)))
    });
    pairs.collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
