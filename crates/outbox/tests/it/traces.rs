//! What the trace of an event is told of its sending, and what its readers find of the trace.

use depot_outbox::NewEvent;
use depot_test_stack::{RecordedSpans, attribute, new_traceparent};

use crate::{
    parking::noise,
    support::{World, aggregate_in, drain, step_until},
};

fn caused_by(traceparent: &str, mut event: NewEvent) -> NewEvent {
    event
        .headers
        .push(("traceparent".to_owned(), traceparent.to_owned()));
    event
}

#[tokio::test]
async fn a_send_is_told_to_the_trace_of_the_event_and_to_no_other() {
    let spans = RecordedSpans::keep();
    let world = World::new().await;
    let (recorded, trace) = new_traceparent(true);
    let (not_recorded, other) = new_traceparent(false);
    let (first, second, third) = (aggregate_in(1), aggregate_in(2), aggregate_in(3));
    let told = caused_by(&recorded, world.event(first, 1));
    let event_id = told.event_id.to_string();
    let events = vec![
        caused_by(&not_recorded, world.event(second, 1)),
        told,
        world.event(third, 1),
    ];
    world.commit_events(events).await;
    let (mut relay, _) = world.relay(world.options());
    drain(&mut relay).await;

    let published = world.published().await;
    assert_eq!(published.len(), 3);
    let place = published.iter().position(|message| message.aggregate_id == first);
    let (before, message) = (&published[..place.unwrap()], &published[place.unwrap()]);
    let before = before.iter().filter(|other| other.partition == message.partition);
    let offset = before.count().to_string();
    // As it was appended: each repeat has the same bytes.
    let carried = message.headers.iter().find(|(name, _)| name == "traceparent");
    assert_eq!(carried.unwrap().1, recorded);

    let sent = spans.of_trace(&trace);
    let [send] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(send.name, format!("send {}", world.topic));
    assert_eq!(format!("{:?}", send.span_kind), "Producer");
    assert_eq!(send.parent_span_id.to_string(), recorded[36..52]);
    for (name, value) in [
        ("messaging.destination.name", &world.topic),
        (
            "messaging.destination.partition.id",
            &message.partition.to_string(),
        ),
        ("messaging.kafka.offset", &offset),
        ("messaging.message.id", &event_id),
        ("error.type", &String::new()),
    ] {
        assert_eq!(attribute(send, name), *value, "{name}");
    }
    assert!(spans.of_trace(&other).is_empty());
}

#[tokio::test]
async fn a_message_that_kafka_refuses_is_told_as_failed() {
    let spans = RecordedSpans::keep();
    let world = World::with_topic(&[("max.message.bytes", "20000")]).await;
    let (recorded, trace) = new_traceparent(true);
    let refused = world.event_with(aggregate_in(5), 1, noise(60_000));
    let refused = caused_by(&recorded, refused);
    world.commit_events(vec![refused]).await;
    let (mut relay, handle) = world.relay(world.options());
    step_until("the aggregate is parked", &mut relay, || {
        handle.status().parked_aggregates == 1
    })
    .await;
    let sent = spans.of_trace(&trace);
    // What the client purges meanwhile has failed too, for another reason.
    let error_types: Vec<_> = sent.iter().map(|send| attribute(send, "error.type")).collect();
    assert!(
        error_types.contains(&"MessageSizeTooLarge".to_owned()),
        "{error_types:?}"
    );
    for send in &sent {
        assert_ne!(attribute(send, "error.type"), "", "{send:?}");
        assert_eq!(attribute(send, "messaging.kafka.offset"), "");
    }
}
