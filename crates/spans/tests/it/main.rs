#![cfg(test)]
//! What is told, as it is exported, and what is not.

use std::time::{Duration, SystemTime};

use depot_spans::{
    Parent, TraceHeaders, current_trace_headers,
    database::{self, Outcome, Transaction},
    messaging::{self, Delivery, Sending},
    object_store, remote_context,
};
use depot_test_stack::{RecordedSpans, attribute, new_traceparent};
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;

fn parent(traceparent: &str) -> Parent {
    Parent::of(Some(traceparent), Some("vendor=1")).unwrap()
}

fn transaction(shared_by: usize) -> Transaction {
    Transaction {
        schema: "command",
        database: Some("depot".to_owned()),
        shared_by,
    }
}

/// The ids of a trace and a span as `traceparent` has them.
fn name_of(span: &SpanData) -> String {
    TraceHeaders::of(&span.span_context).traceparent
}

fn is_failed(span: &SpanData) -> bool {
    matches!(span.status, Status::Error { .. })
}

#[test]
fn only_what_its_sender_records_is_a_parent() {
    let _spans = RecordedSpans::keep();
    let (recorded, _) = new_traceparent(true);
    assert!(Parent::of(Some(&recorded), None).is_some());
    let (not_recorded, _) = new_traceparent(false);
    let no_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
    for sent in [not_recorded.as_str(), &no_trace, &recorded[..54], "", "01"] {
        assert!(Parent::of(Some(sent), None).is_none(), "{sent}");
        let _entered = remote_context(Some(sent), None).attach();
        assert!(Parent::current().is_none(), "{sent}");
        assert!(database::select("read.items").is_none(), "{sent}");
    }
    assert!(Parent::of(None, Some("vendor=1")).is_none());
}

#[test]
fn a_transaction_is_told_to_each_that_shared_it() {
    let spans = RecordedSpans::keep();
    let began = SystemTime::now() - Duration::from_secs(5);
    let ended = began + Duration::from_secs(1);
    for (shared_by, size) in [(1, ""), (3, "3")] {
        let (sent, trace) = new_traceparent(true);
        let span = transaction(shared_by).begin_in(&parent(&sent), began).unwrap();
        let headers = span.headers();
        span.end_transaction_at(Outcome::Committed, ended);
        let [told] = &spans.of_trace(&trace)[..] else {
            panic!("{:?}", spans.of_trace(&trace))
        };
        assert_eq!(
            (&*told.name, &told.span_kind),
            ("TRANSACTION command", &SpanKind::Client)
        );
        assert_eq!(told.parent_span_id.to_string(), sent[36..52]);
        assert_eq!((told.start_time, told.end_time), (began, ended));
        assert_eq!(headers.traceparent, name_of(told));
        assert_eq!(headers.tracestate.as_deref(), Some("vendor=1"));
        for (name, value) in [
            ("db.system.name", "postgresql"),
            ("db.operation.name", "TRANSACTION"),
            ("db.namespace", "depot|command"),
            ("db.operation.batch.size", size),
            ("depot.transaction.outcome", "committed"),
        ] {
            assert_eq!(attribute(told, name), value, "{name}");
        }
    }
}

#[tokio::test]
async fn what_is_done_in_a_transaction_is_told_in_its_span() {
    let spans = RecordedSpans::keep();
    let (sent, trace) = new_traceparent(true);
    let _entered = remote_context(Some(&sent), None).attach();
    let work = async {
        database::select("uploader.receipts").unwrap().end();
        tokio::task::yield_now().await;
        Ok::<_, u8>(current_trace_headers().unwrap().traceparent)
    };
    let within = Transaction::around(|| transaction(1), work, |_| "unused").await;
    assert_eq!(
        current_trace_headers().unwrap().traceparent,
        sent,
        "and no longer"
    );
    let failing = async { Err::<(), u8>(1) };
    let failed = Transaction::around(|| transaction(1), failing, |_| "database").await;
    assert_eq!(failed, Err(1));

    let told = spans.of_trace(&trace);
    let [statement, done, failed] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(&*statement.name, "SELECT uploader.receipts");
    assert_eq!(statement.parent_span_id, done.span_context.span_id());
    assert_eq!(within, Ok(name_of(done)));
    assert!(!is_failed(done));
    assert!(is_failed(failed));
    assert_eq!(attribute(failed, "error.type"), "database");
}

#[tokio::test]
async fn a_transaction_in_no_recorded_trace_is_done_all_the_same() {
    let _spans = RecordedSpans::keep();
    let (sent, _) = new_traceparent(false);
    let _entered = remote_context(Some(&sent), None).attach();
    let work = async { Ok::<_, u8>(current_trace_headers().unwrap().traceparent) };
    let unasked = || panic!("there is no span");
    assert_eq!(Transaction::around(unasked, work, |_| "unused").await, Ok(sent));
}

#[test]
fn sending_and_processing_are_children_of_what_caused_the_message() {
    let spans = RecordedSpans::keep();
    let (sent, trace) = new_traceparent(true);
    let sending = |id: &str| Sending::begin(parent(&sent), id.to_owned());
    sending("1").delivered("t.v1", 2, 17);
    sending("2").delivered("t.v1", 2, -1001);
    sending("3").failed("t.v1", "MessageSizeTooLarge");
    // Handed over again: nothing became of it.
    drop(sending("4"));
    let delivery = Delivery {
        topic: "t.v1",
        partition: 2,
        offset: 17,
        group: "g",
        message_id: "1",
    };
    let began = SystemTime::now();
    messaging::process(&parent(&sent), &delivery, began)
        .unwrap()
        .end();

    let told = spans.of_trace(&trace);
    let [delivered, repeated, failed, processed] = &told[..] else {
        panic!("{told:?}")
    };
    for span in &told {
        assert_eq!(span.parent_span_id.to_string(), sent[36..52]);
        assert_eq!(attribute(span, "messaging.system"), "kafka");
        assert_eq!(attribute(span, "messaging.destination.name"), "t.v1");
    }
    for (span, kind, operation) in [
        (delivered, SpanKind::Producer, "send"),
        (processed, SpanKind::Consumer, "process"),
    ] {
        assert_eq!(
            (&*span.name, &span.span_kind),
            (&*format!("{operation} t.v1"), &kind)
        );
        assert_eq!(attribute(span, "messaging.operation.name"), operation);
        assert_eq!(attribute(span, "messaging.operation.type"), operation);
        assert_eq!(attribute(span, "messaging.destination.partition.id"), "2");
        assert_eq!(attribute(span, "messaging.kafka.offset"), "17");
        assert_eq!(attribute(span, "messaging.message.id"), "1");
    }
    assert_eq!(attribute(repeated, "messaging.kafka.offset"), "");
    assert!(is_failed(failed) && !is_failed(delivered));
    assert_eq!(attribute(failed, "error.type"), "MessageSizeTooLarge");
    assert_eq!(attribute(processed, "messaging.consumer.group.name"), "g");
    let linked: Vec<_> = processed
        .links
        .iter()
        .map(|link| link.span_context.clone())
        .collect();
    assert_eq!(linked, [parent(&sent).context().clone()]);
}

#[test]
fn calls_of_redis_and_of_the_object_store_have_their_names() {
    let spans = RecordedSpans::keep();
    let (sent, trace) = new_traceparent(true);
    let _entered = remote_context(Some(&sent), None).attach();
    database::redis("GET").unwrap().end_as(Some("unavailable"));
    let period = (SystemTime::now(), SystemTime::now());
    database::tell_redis_pipeline(&parent(&sent), 2, period, None::<&str>);
    object_store::call("GetObject", "staging", "a/b")
        .unwrap()
        .end_as(None::<&str>);
    drop(object_store::call("ListObjectsV2", "staging", ""));

    let told = spans.of_trace(&trace);
    let [get, pipeline, object, list] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(told.iter().all(|span| span.span_kind == SpanKind::Client));
    assert_eq!((&*get.name, is_failed(get)), ("GET", true));
    assert_eq!((&*pipeline.name, is_failed(pipeline)), ("PIPELINE", false));
    assert_eq!(attribute(pipeline, "db.operation.batch.size"), "2");
    assert_eq!((&*object.name, is_failed(object)), ("S3.GetObject", false));
    for (name, value) in [
        ("rpc.system", "aws-api"),
        ("rpc.service", "S3"),
        ("rpc.method", "GetObject"),
        ("aws.s3.bucket", "staging"),
        ("aws.s3.key", "a/b"),
    ] {
        assert_eq!(attribute(object, name), value, "{name}");
    }
    assert_eq!(
        (&*list.name, attribute(list, "aws.s3.key")),
        ("S3.ListObjectsV2", String::new())
    );
}
