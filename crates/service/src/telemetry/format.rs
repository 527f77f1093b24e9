//! The log line of production.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{self, Format, Json, Writer};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::current_trace_id;

/// One JSON object a line: `timestamp`, `level`, `message`, `target`, the event's fields, `span`, `service.name`,
/// and `trace_id` inside a trace.
pub(super) struct JsonLine {
    inner: Format<Json, SystemTime>,
    service: &'static str,
}

impl JsonLine {
    pub(super) fn new(service: &'static str) -> Self {
        let inner = format::format()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false);
        Self { inner, service }
    }
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::with_capacity(512);
        self.inner.format_event(ctx, Writer::new(&mut line), event)?;
        // The inner format has no place for these, so they go before its closing brace.
        let open = line.trim_end().strip_suffix('}').unwrap_or(&line);
        writer.write_str(open)?;
        write!(writer, r#","service.name":"{}""#, self.service)?;
        if let Some(trace_id) = current_trace_id() {
            write!(writer, r#","trace_id":"{trace_id}""#)?;
        }
        writer.write_str("}\n")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let logs = tracing_subscriber::fmt::layer()
            .json()
            .event_format(JsonLine::new("command-api"))
            .with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry()
            .with(tracing_opentelemetry::layer().with_tracer(tracer))
            .with(logs);
        tracing::subscriber::with_default(subscriber, log);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_line_is_one_flat_object_with_the_trace_id() {
        let lines = logged(|| {
            tracing::info_span!("request", http.route = "/items").in_scope(|| {
                tracing::warn!(item.id = 7, text = "a \"quoted\" }\n", "it happened");
            });
        });
        let [line] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        assert_eq!(
            (&line["level"], &line["message"]),
            (&"WARN".into(), &"it happened".into())
        );
        assert_eq!(
            (&line["item.id"], &line["service.name"]),
            (&7.into(), &"command-api".into())
        );
        assert_eq!(line["text"], "a \"quoted\" }\n");
        assert_eq!(line["span"]["http.route"], "/items");
        assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
    }

    #[test]
    fn a_line_outside_of_a_trace_has_no_trace_id() {
        let lines = logged(|| tracing::info!("started"));
        assert!(lines[0].get("trace_id").is_none(), "{lines:?}");
    }
}
