use std::time::Duration;

use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use query_api::queries::WatchLimits;
use tokio::time::timeout;
use tonic::{Code, Streaming};
use uuid::Uuid;

use crate::{
    grpc::{by_reader, channel, reason},
    harness::{Harness, Item, REDRIVEN, put_offset, put_offset_of},
};

/// A busy machine must not fail a test.
const GENEROUS: Duration = Duration::from_secs(60);

async fn watch(harness: &Harness, request: v1::WatchItemsRequest) -> Streaming<v1::WatchItemsResponse> {
    let mut client = QueryServiceClient::new(channel(harness).await);
    client.watch_items(by_reader(request)).await.unwrap().into_inner()
}

fn from(resume_token: &str) -> v1::WatchItemsRequest {
    v1::WatchItemsRequest {
        resume_token: resume_token.into(),
        ..Default::default()
    }
}

/// The next message with a change: its item, version, and token.
async fn next(stream: &mut Streaming<v1::WatchItemsResponse>) -> (Uuid, i64, String) {
    loop {
        let message = timeout(GENEROUS, stream.message())
            .await
            .expect("a change is missing");
        let message = message.unwrap().expect("the stream goes on");
        if let Some(change) = message.change {
            let version = change.version.parse().unwrap();
            return (change.item_id.parse().unwrap(), version, message.resume_token);
        }
    }
}

async fn change(harness: &Harness, item: &Item, version: i64, partition: i32, offset: i64) {
    Item {
        version,
        ..item.clone()
    }
    .put_change(&harness.pool, partition, offset)
    .await;
}

#[tokio::test]
async fn a_stream_begins_with_now_and_is_woken_by_notifications() {
    let limits = WatchLimits {
        poll: Duration::from_secs(3_600),
        ..WatchLimits::default()
    };
    let harness = Harness::start_with(|config| config.watch = limits).await;
    let item = Item::default();
    change(&harness, &item, 1, 0, 0).await;
    let mut stream = watch(&harness, from("")).await;
    let first = stream.message().await.unwrap().unwrap();
    assert!(first.change.is_none() && !first.resume_token.is_empty());
    change(&harness, &item, 2, 0, 1).await;
    // Without this it would come after an hour.
    let notified = async {
        loop {
            harness.notify(item.id, 2).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (id, version, _) =
        tokio::select! { next = next(&mut stream) => next, () = notified => unreachable!() };
    assert_eq!((id, version), (item.id, 2));
}

#[tokio::test]
async fn a_stream_resumed_from_any_token_goes_on_without_gap_or_double() {
    let harness = Harness::start().await;
    let (one, two) = (
        Item::default(),
        Item {
            id: Uuid::now_v7(),
            ..Item::default()
        },
    );
    put_offset(&mut harness.pool.acquire().await.unwrap(), 0, 0).await;
    let mut stream = watch(&harness, from("")).await;
    let mut token = stream.message().await.unwrap().unwrap().resume_token;
    // More than a batch of one partition, with gaps in the offsets as repeats leave them; a partition that is new.
    let mut expected: Vec<(Uuid, i64)> = Vec::new();
    for version in 1..=70 {
        change(&harness, &one, version, 0, version * 3).await;
        expected.push((one.id, version));
        if version % 2 == 0 {
            change(&harness, &two, version / 2, 5, version).await;
            expected.push((two.id, version / 2));
        }
    }
    drop(stream);
    let mut seen = Vec::new();
    // Resumed within the first page of a partition, and after a run over several pages.
    let mut runs = [7, 80].into_iter();
    while seen.len() < expected.len() {
        let mut stream = watch(&harness, from(&token)).await;
        let left = expected.len() - seen.len();
        for _ in 0..runs.next().unwrap_or(left).min(left) {
            let (id, version, resume) = next(&mut stream).await;
            seen.push((id, version));
            token = resume;
        }
    }
    for item in [one.id, two.id] {
        let of = |all: &[(Uuid, i64)]| {
            all.iter()
                .copied()
                .filter(|(id, _)| *id == item)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&seen), of(&expected));
    }
    // Nothing is left: the next is the next that happens.
    let mut stream = watch(&harness, from(&token)).await;
    change(&harness, &one, 71, 0, 400).await;
    assert_eq!(next(&mut stream).await.1, 71);
}

#[tokio::test]
async fn a_filter_narrows_and_the_token_moves_past_what_it_leaves_out() {
    let harness = Harness::start().await;
    let wanted = Item {
        tags: vec!["blue".into()],
        owner: "bob",
        ..Item::default()
    };
    let other = Item {
        id: Uuid::now_v7(),
        ..Item::default()
    };
    put_offset(&mut harness.pool.acquire().await.unwrap(), 0, 0).await;
    let mut plain = watch(&harness, from("")).await;
    let start = plain.message().await.unwrap().unwrap().resume_token;
    change(&harness, &other, 1, 0, 0).await;
    change(&harness, &wanted, 1, 0, 1).await;
    for request in [
        v1::WatchItemsRequest {
            ids: vec![wanted.id.to_string()],
            ..from(&start)
        },
        v1::WatchItemsRequest {
            owner: "bob".into(),
            ..from(&start)
        },
        v1::WatchItemsRequest {
            tag: "blue".into(),
            ..from(&start)
        },
    ] {
        assert_eq!(next(&mut watch(&harness, request).await).await.0, wanted.id);
    }
}

#[tokio::test]
async fn a_token_that_is_ahead_of_the_views_is_refused() {
    let harness = Harness::start().await;
    put_offset(&mut harness.pool.acquire().await.unwrap(), 0, 9).await;
    let mut stream = watch(&harness, from("")).await;
    let token = stream.message().await.unwrap().unwrap().resume_token;
    put_offset(&mut harness.pool.acquire().await.unwrap(), 0, 8).await;
    let mut client = QueryServiceClient::new(channel(&harness).await);
    let refused = client.watch_items(by_reader(from(&token))).await.unwrap_err();
    assert_eq!(
        reason(&refused),
        (Code::OutOfRange, "RESUME_TOKEN_OUT_OF_RANGE".into())
    );
}

#[tokio::test]
async fn a_reader_that_does_not_keep_up_is_dropped_and_resumes_where_it_was() {
    let limits = WatchLimits {
        slow_after: Duration::from_millis(200),
        ..WatchLimits::default()
    };
    let harness = Harness::start_with(|config| config.watch = limits).await;
    put_offset(&mut harness.pool.acquire().await.unwrap(), 0, 0).await;
    // Large enough that neither the window of the stream nor the buffer takes them all.
    let item = Item {
        description: "x".repeat(10_000),
        ..Item::default()
    };
    let mut stream = watch(&harness, from("")).await;
    let mut token = stream.message().await.unwrap().unwrap().resume_token;
    const CHANGES: i64 = 600;
    for version in 1..=CHANGES {
        change(&harness, &item, version, 0, version).await;
    }
    let mut versions = Vec::new();
    let status = loop {
        // Waits for the drop without reading, which is what makes it slow.
        if versions.is_empty() {
            depot_test_stack::wait_until("the slow stream has given up its place", || async {
                harness.open_streams() == 0
            })
            .await;
        }
        match stream.message().await {
            Ok(Some(message)) => {
                versions.extend(
                    message
                        .change
                        .map(|change| change.version.parse::<i64>().unwrap()),
                );
                token = message.resume_token;
            }
            Ok(None) => panic!("ended without a status"),
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&status), (Code::ResourceExhausted, "SLOW_READER".into()));
    assert!(i64::try_from(versions.len()).unwrap() < CHANGES);
    let mut stream = watch(&harness, from(&token)).await;
    let next = next(&mut stream).await.1;
    assert_eq!(next, versions.last().copied().unwrap_or(0) + 1);
}

#[tokio::test]
async fn only_so_many_streams_are_open_and_one_that_ended_makes_room() {
    let limits = WatchLimits {
        max_streams: 1,
        ..WatchLimits::default()
    };
    let harness = Harness::start_with(|config| config.watch = limits).await;
    let stream = watch(&harness, from("")).await;
    let mut client = QueryServiceClient::new(channel(&harness).await);
    let refused = client.watch_items(by_reader(from(""))).await.unwrap_err();
    assert_eq!(
        reason(&refused),
        (Code::ResourceExhausted, "TOO_MANY_STREAMS".into())
    );
    drop(stream);
    depot_test_stack::wait_until("the place is free again", || async {
        harness.open_streams() == 0
    })
    .await;
    assert!(client.watch_items(by_reader(from(""))).await.is_ok());
}

#[tokio::test]
async fn a_stopping_service_ends_its_streams_with_a_reason() {
    let harness = Harness::start().await;
    let mut stream = watch(&harness, from("")).await;
    stream.message().await.unwrap();
    harness.stop();
    let ended = stream.message().await.unwrap_err();
    assert_eq!(reason(&ended), (Code::Unavailable, "STOPPING".into()));
}

#[tokio::test]
async fn a_change_that_comes_back_from_the_dead_letters_is_told_late_and_once() {
    let harness = Harness::start().await;
    let item = Item::default();
    let late = |version| Item {
        version,
        ..item.clone()
    };
    // A projector that has nothing brought back yet has its partitions all the same.
    put_offset_of(&mut harness.pool.acquire().await.unwrap(), REDRIVEN, 0, 0).await;
    change(&harness, &item, 1, 0, 0).await;
    let mut stream = watch(&harness, from("")).await;
    let begun = stream.message().await.unwrap().unwrap().resume_token;
    // The second version was given up; the stream passes its place.
    change(&harness, &item, 3, 0, 2).await;
    let (_, version, before) = next(&mut stream).await;
    assert_eq!(version, 3);
    late(2).put_change_of(&harness.pool, REDRIVEN, 0, 0).await;
    let (_, version, after) = next(&mut stream).await;
    assert_eq!(version, 2, "an open stream is told");
    drop(stream);

    let mut stream = watch(&harness, from(&before)).await;
    assert_eq!(
        next(&mut stream).await.1,
        2,
        "so is one that is resumed from before it"
    );
    change(&harness, &item, 4, 0, 3).await;
    assert_eq!(next(&mut stream).await.1, 4);
    let mut stream = watch(&harness, from(&after)).await;
    assert_eq!(
        next(&mut stream).await.1,
        4,
        "and one that is resumed from after it is not told again"
    );
    let mut stream = watch(&harness, from(&begun)).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(next(&mut stream).await.1);
    }
    all.sort_unstable();
    assert_eq!(all, [2, 3, 4], "a token from before all of it leaves nothing out");
}
