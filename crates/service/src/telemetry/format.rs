//! The log lines: of production, and of development.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{self, Compact, Format, Json, Writer};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::propagation::context_of_what_is_told;

/// One JSON object a line: `timestamp`, `level`, `message`, `target`, the event's fields, `span`, `service.name`,
/// and `trace_id` and `span_id` inside a trace.
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
        if let Some(context) = context_of_what_is_told() {
            let (trace_id, span_id) = (context.trace_id(), context.span_id());
            write!(writer, r#","trace_id":"{trace_id}","span_id":"{span_id}""#)?;
        }
        writer.write_str("}\n")
    }
}

/// A line to be read, with `trace_id` and `span_id` at its end inside a trace.
pub(super) struct ReadableLine {
    plain: Format<Compact, SystemTime>,
    coloured: Format<Compact, SystemTime>,
}

impl Default for ReadableLine {
    fn default() -> Self {
        let with_ansi = |ansi| format::format().compact().with_ansi(ansi);
        Self {
            plain: with_ansi(false),
            coloured: with_ansi(true),
        }
    }
}

impl<S, N> FormatEvent<S, N> for ReadableLine
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
        let Some(context) = context_of_what_is_told() else {
            return self.inner(&writer).format_event(ctx, writer, event);
        };
        let mut line = String::with_capacity(512);
        self.inner(&writer)
            .format_event(ctx, Writer::new(&mut line), event)?;
        writer.write_str(line.trim_end_matches('\n'))?;
        let (trace_id, span_id) = (context.trace_id(), context.span_id());
        writeln!(writer, " trace_id={trace_id} span_id={span_id}")
    }
}

impl ReadableLine {
    fn inner(&self, writer: &Writer<'_>) -> &Format<Compact, SystemTime> {
        match writer.has_ansi_escapes() {
            true => &self.coloured,
            false => &self.plain,
        }
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
    use tracing_subscriber::{Layer, Registry};

    use super::super::current_traceparent;
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

    type Logs = Box<dyn Layer<Registry> + Send + Sync>;

    fn written(logs: impl FnOnce(Lines) -> Logs, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let subscriber = tracing_subscriber::registry()
            .with(logs(lines.clone()))
            .with(tracing_opentelemetry::layer().with_tracer(tracer));
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let json = |lines: Lines| -> Logs {
            let logs = tracing_subscriber::fmt::layer()
                .json()
                .event_format(JsonLine::new("command-api"));
            logs.with_writer(move || lines.clone()).boxed()
        };
        let text = written(json, log);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn readable(log: impl FnOnce()) -> String {
        let compact = |lines: Lines| -> Logs {
            let logs = tracing_subscriber::fmt::layer().event_format(ReadableLine::default());
            logs.with_ansi(false).with_writer(move || lines.clone()).boxed()
        };
        written(compact, log)
    }

    #[test]
    fn a_line_is_one_flat_object_with_the_ids_of_trace_and_span() {
        let mut told = None;
        let lines = logged(|| {
            tracing::info_span!("request", http.route = "/items").in_scope(|| {
                tracing::warn!(item.id = 7, text = "a \"quoted\" }\n", "it happened");
                told = current_traceparent();
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
        let (trace_id, span_id) = (line["trace_id"].as_str(), line["span_id"].as_str());
        let named = format!("00-{}-{}-01", trace_id.unwrap(), span_id.unwrap());
        assert_eq!(told, Some(named));
    }

    #[test]
    fn a_readable_line_ends_with_the_ids_of_trace_and_span() {
        let mut told = None;
        let lines = readable(|| {
            tracing::info_span!("request").in_scope(|| {
                tracing::info!(item.id = 7, "it happened");
                told = current_traceparent();
            });
            tracing::info!("outside");
        });
        let [inside, outside] = lines.lines().collect::<Vec<_>>()[..] else {
            panic!("{lines}")
        };
        let told = told.unwrap();
        let ids: Vec<_> = told.split('-').collect();
        let end = format!(" trace_id={} span_id={}", ids[1], ids[2]);
        assert!(
            inside.contains("it happened") && inside.ends_with(&end),
            "{inside}"
        );
        assert!(
            outside.contains("outside") && !outside.contains("trace_id"),
            "{outside}"
        );
    }

    #[test]
    fn a_line_outside_of_a_trace_names_none() {
        let lines = logged(|| tracing::info!("started"));
        for id in ["trace_id", "span_id"] {
            assert!(lines[0].get(id).is_none(), "{lines:?}");
        }
    }
}
