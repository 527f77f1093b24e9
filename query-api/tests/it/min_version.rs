use std::time::Duration;

use depot_test_stack::wait_until;
use query_api::visibility::PollPace;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::{
    cache::cache,
    harness::{Harness, Item},
};

#[tokio::test]
async fn an_absent_item_is_waited_for_and_shown_when_it_comes() {
    let harness = Harness::start().await;
    let item = Item::default();
    let path = format!("/api/v1/items/{}?min_version=1", item.id);
    let (reply, ()) = tokio::join!(harness.get_with(&path, &[("prefer", "wait=30")]), async {
        // Without a notification: the poll finds it.
        harness.until_a_read_waits().await;
        item.put(&harness.pool).await;
    });
    assert_eq!((reply.status, reply.header("etag")), (200, Some("\"1\"")));
    assert_eq!(reply.header("preference-applied"), Some("wait=30"));
}

/// Where a poll would come after every wait is over.
async fn without_polls() -> Harness {
    let never = Duration::from_secs(3_600);
    let pace = PollPace {
        first: never,
        slowest: never,
    };
    Harness::start_with(|config| config.poll_pace = pace).await
}

#[tokio::test]
async fn a_waiting_read_is_woken_by_the_notification() {
    let harness = without_polls().await;
    let item = Item {
        version: 2,
        ..Item::default()
    };
    Item {
        version: 1,
        ..item.clone()
    }
    .put(&harness.pool)
    .await;
    let path = format!("/api/v1/items/{}?min_version=2", item.id);
    let started = Instant::now();
    let (reply, ()) = tokio::join!(harness.get_with(&path, &[("prefer", "wait=30")]), async {
        harness.until_a_read_waits().await;
        item.put(&harness.pool).await;
        // Told again and again: the first may come before the service has subscribed.
        while harness.waiting_reads() > 0 {
            harness.notify(item.id, 2).await;
        }
    });
    assert_eq!((reply.status, reply.json()["version"].as_i64()), (200, Some(2)));
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "found by the last look, not by the notification"
    );
}

#[tokio::test]
async fn what_was_announced_is_read_from_redis() {
    let harness = without_polls().await;
    // Never in Postgres.
    let id = Uuid::now_v7();
    let path = format!("/api/v1/items/{id}?min_version=1");
    let (reply, ()) = tokio::join!(harness.get_with(&path, &[("prefer", "wait=30")]), async {
        harness.until_a_read_waits().await;
        cache(&harness, id, 1).await;
        while harness.waiting_reads() > 0 {
            harness.notify(id, 1).await;
        }
    });
    assert_eq!((reply.status, reply.header("etag")), (200, Some("\"1\"")));
    // And by who names it afterwards.
    cache(&harness, id, 2).await;
    let reply = harness.get(&format!("/api/v1/items/{id}?min_version=2")).await;
    assert_eq!((reply.status, reply.header("etag")), (200, Some("\"2\"")));
}

#[tokio::test]
async fn who_waits_for_what_is_on_its_way_does_not_ask_postgres() {
    let harness = without_polls().await;
    let id = Uuid::now_v7();
    let path = format!("/api/v1/items/{id}?min_version=1");
    // Whoever asked now would wait for as long as the answer may take, and get none.
    let mut locked = harness.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE read.items IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *locked)
        .await
        .unwrap();
    let (reply, ()) = tokio::join!(harness.get_with(&path, &[("prefer", "wait=30")]), async {
        harness.until_a_read_waits().await;
        cache(&harness, id, 1).await;
        while harness.waiting_reads() > 0 {
            harness.notify(id, 1).await;
        }
    });
    assert_eq!((reply.status, reply.header("etag")), (200, Some("\"1\"")));
    locked.rollback().await.unwrap();
}

#[tokio::test]
async fn a_version_that_does_not_come_is_a_problem_with_what_was_seen() {
    let harness = Harness::start().await;
    let item = Item {
        version: 4,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    let path = format!("/api/v1/items/{}?min_version=5", item.id);
    let reply = harness.get_with(&path, &[("prefer", "wait=0")]).await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (503, "read-model-behind")
    );
    assert_eq!(reply.header("preference-applied"), Some("wait=0"));
    assert!(reply.header("retry-after").is_some());
    assert_eq!(reply.json()["seen_version"], "4");
    let absent = harness
        .get(&format!("/api/v1/items/{}?min_version=1", Uuid::now_v7()))
        .await;
    assert_eq!(
        (absent.status, absent.problem().as_str()),
        (503, "read-model-behind")
    );
    assert!(absent.json()["seen_version"].is_null() && absent.header("preference-applied").is_none());
}

#[tokio::test]
async fn the_version_comes_before_304_and_before_the_tombstone() {
    let harness = Harness::start().await;
    let item = Item {
        version: 4,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    let path = format!("/api/v1/items/{}?min_version=5", item.id);
    let headers = [("prefer", "wait=0"), ("if-none-match", "\"4\"")];
    assert_eq!(
        harness.get_with(&path, &headers).await.problem(),
        "read-model-behind"
    );
    assert_eq!(
        harness
            .get_with(&path, &[("prefer", "wait=0"), ("if-none-match", "*")])
            .await
            .status,
        503
    );
    Item {
        deleted: true,
        ..item.clone()
    }
    .put(&harness.pool)
    .await;
    assert_eq!(
        harness.get_with(&path, &headers).await.problem(),
        "read-model-behind"
    );
    Item {
        deleted: true,
        version: 5,
        ..item.clone()
    }
    .put(&harness.pool)
    .await;
    assert_eq!(harness.get_with(&path, &headers).await.status, 410);
    let history = format!("/api/v1/items/{}/history?min_version=6", item.id);
    assert_eq!(
        harness
            .get_with(&history, &[("prefer", "wait=0")])
            .await
            .problem(),
        "read-model-behind"
    );
}

#[tokio::test]
async fn a_later_version_will_do() {
    let harness = Harness::start().await;
    let item = Item {
        version: 9,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    let reply = harness
        .get(&format!("/api/v1/items/{}?min_version=5", item.id))
        .await;
    assert_eq!((reply.status, reply.header("etag")), (200, Some("\"9\"")));
    let later_epoch = format!("/api/v1/items/{}?min_version=1.1", item.id);
    assert_eq!(
        harness
            .get_with(&later_epoch, &[("prefer", "wait=0")])
            .await
            .status,
        503
    );
}

#[tokio::test]
async fn a_wait_is_cut_to_its_limit_and_a_bad_preference_is_ignored() {
    let harness = Harness::start().await;
    let item = Item::default();
    item.put(&harness.pool).await;
    let path = format!("/api/v1/items/{}?min_version=1", item.id);
    let long = harness.get_with(&path, &[("prefer", "wait=9999")]).await;
    assert_eq!(
        (long.status, long.header("preference-applied")),
        (200, Some("wait=30"))
    );
    for value in ["wait=-1", "wait=soon", "wait", "return=minimal"] {
        let reply = harness.get_with(&path, &[("prefer", value)]).await;
        assert_eq!(
            (reply.status, reply.header("preference-applied")),
            (200, None),
            "{value}"
        );
    }
}

#[tokio::test]
async fn only_so_many_reads_wait_at_a_time_and_one_that_went_away_makes_room() {
    let harness = Harness::start_with(|config| config.max_waiting_reads = 1).await;
    let path = format!("/api/v1/items/{}?min_version=1", Uuid::now_v7());
    let waiting = harness.get_with(&path, &[("prefer", "wait=30")]);
    let mut waiting = Box::pin(waiting);
    tokio::select! {
        reply = &mut waiting => panic!("{reply:?}"),
        () = harness.until_a_read_waits() => {}
    }
    let other = harness.get_with(&path, &[("prefer", "wait=0")]).await;
    assert_eq!(other.problem(), "overloaded");
    drop(waiting);
    wait_until("the place is free again", || async {
        harness.get_with(&path, &[("prefer", "wait=0")]).await.problem() == "read-model-behind"
    })
    .await;
}

#[tokio::test]
async fn a_stopping_service_lets_nobody_wait() {
    let harness = Harness::start().await;
    let path = format!("/api/v1/items/{}?min_version=1", Uuid::now_v7());
    let waiting = harness.get_with(&path, &[("prefer", "wait=30")]);
    let stop = async {
        harness.until_a_read_waits().await;
        harness.stop();
    };
    let (reply, ()) = timeout(Duration::from_secs(25), async { tokio::join!(waiting, stop) })
        .await
        .unwrap();
    assert_eq!(reply.problem(), "read-model-behind");
}
