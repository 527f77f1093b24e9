//! What the traces of events are told of the batch that they came in.

use depot_consumer::Batch;
use depot_schemas::{Entity, Event};
use depot_test_stack::{RecordedSpans, attribute, new_traceparent};

use crate::{
    events::{TOPIC_PREFIX, batch, item, item_event},
    fixture::{Fixture, handle},
};

fn caused_by(traceparent: Option<&str>) -> Event {
    let mut event = item_event(&item("alice", &["x"]));
    event.envelope.traceparent = traceparent.map(str::to_owned);
    event
}

fn items_of(traceparents: &[Option<&str>]) -> Batch<Event> {
    let events = traceparents.iter().copied().map(caused_by);
    batch(Entity::Items, 0, 0, events.collect())
}

#[tokio::test]
async fn each_event_in_a_recorded_trace_has_spans_of_what_its_batch_shared() {
    let spans = RecordedSpans::keep();
    let fixture = Fixture::new().await;
    let parts = fixture.parts();
    parts.recover().await;
    let (first, second, not_recorded) = (
        new_traceparent(true),
        new_traceparent(true),
        new_traceparent(false),
    );
    let sent = [Some(&*first.0), None, Some(&*not_recorded.0), Some(&*second.0)];
    let batch = items_of(&sent);
    let ids: Vec<_> = batch.events.iter().map(|(_, event)| event.envelope.id).collect();
    fixture.apply(&parts.projector, batch).await;

    for ((traceparent, trace), offset) in [(&first, 0), (&second, 3)] {
        let told = spans.of_trace(trace);
        let find = |name: &str| {
            let found = told.iter().find(|span| span.name == name);
            found.unwrap_or_else(|| panic!("{name}: {told:?}"))
        };
        assert_eq!(told.len(), 3, "{told:?}");
        let process = find(&format!("process {TOPIC_PREFIX}.items.v1"));
        assert_eq!(format!("{:?}", process.span_kind), "Consumer");
        assert_eq!(process.parent_span_id.to_string(), traceparent[36..52]);
        assert_eq!(process.links.len(), 1);
        for (name, value) in [
            (
                "messaging.consumer.group.name",
                format!("{TOPIC_PREFIX}.projector"),
            ),
            ("messaging.destination.partition.id", "0".to_owned()),
            ("messaging.kafka.offset", offset.to_string()),
            ("messaging.message.id", ids[offset as usize].to_string()),
        ] {
            assert_eq!(attribute(process, name), value, "{name}");
        }
        let (transaction, cache) = (find("TRANSACTION read"), find("PIPELINE"));
        for child in [transaction, cache] {
            assert_eq!(child.parent_span_id, process.span_context.span_id());
            assert!(process.start_time <= child.start_time && child.end_time <= process.end_time);
        }
        assert_eq!(attribute(transaction, "db.operation.batch.size"), "4");
        assert_eq!(
            attribute(cache, "db.operation.batch.size"),
            "5",
            "entries and a notice"
        );
        assert!(transaction.end_time <= cache.start_time);
    }
    assert!(spans.of_trace(&not_recorded.1).is_empty());
}

#[tokio::test]
async fn a_batch_that_was_not_stored_is_told_to_nobody() {
    let spans = RecordedSpans::keep();
    let fixture = Fixture::new().await;
    let parts = fixture.parts();
    parts.recover().await;
    let (traceparent, trace) = new_traceparent(true);
    let stored = items_of(&[None]);
    let stale = items_of(&[Some(&traceparent)]);
    fixture.apply(&parts.projector, stored).await;
    handle(&parts.projector, &stale).await.unwrap();
    assert!(spans.of_trace(&trace).is_empty());
}
