//! The history over several partitions: where events go, how partitions are made, who may do what.

use depot_schemas::Entity;
use depot_test_stack::{ServiceRole, backdate_history, wait_until};
use futures::future::join_all;
use metrics_exporter_prometheus::PrometheusBuilder;
use projector::{HistoryConfig, HistoryPartitions, HistoryUpkeep, HistoryUpkeepError};
use sqlx::{AssertSqlSafe, PgPool};
use time::{Duration, OffsetDateTime};

use crate::{
    events::{batch, item, item_event_at, next},
    fixture::Fixture,
    whole_process::Pipeline,
};

pub fn keeping(fixture: &Fixture, partition_days: i32, retention_days: Option<i32>) -> HistoryPartitions {
    let config = HistoryConfig {
        partition_days,
        retention_days,
    };
    HistoryPartitions::new(fixture.pool.clone(), config)
}

/// Rounds until nothing is left to do; answers what all of them did together.
pub async fn to_the_end(partitions: &HistoryPartitions) -> HistoryUpkeep {
    let mut sum = HistoryUpkeep::default();
    for _ in 0..100 {
        let round = partitions.step().await.unwrap();
        sum.made += round.made;
        sum.dropped += round.dropped;
        sum.cleared += round.cleared;
        if !round.unfinished {
            return sum;
        }
    }
    panic!("the upkeep finds no end: {sum:?}");
}

/// The names of the partitions in which rows of the history lie, in the order of versions.
async fn places(owner: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT c.relname::text FROM read.item_history h JOIN pg_class c ON c.oid = h.tableoid ORDER BY h.version",
    )
    .fetch_all(owner)
    .await
    .unwrap()
}

/// Name, and from and to when, in days before now.
async fn ranges(owner: &PgPool) -> Vec<(String, Option<i32>, i32)> {
    sqlx::query_as(
        "SELECT name, CASE WHEN from_at > '-infinity' THEN ((now() AT TIME ZONE 'UTC')::date - (from_at AT TIME ZONE 'UTC')::date) END,
                (now() AT TIME ZONE 'UTC')::date - (to_at AT TIME ZONE 'UTC')::date
         FROM read.item_history_partitions ORDER BY from_at",
    )
    .fetch_all(owner)
    .await
    .unwrap()
}

fn days(days: i64) -> Duration {
    Duration::days(days)
}

#[tokio::test]
async fn a_repeat_meets_its_first_copy_in_every_partition() {
    let fixture = Fixture::new().await;
    let owner = fixture.database.owner_pool().await;
    backdate_history(&owner, 40).await;
    assert!(to_the_end(&keeping(&fixture, 30, None)).await.made > 0);
    let projector = fixture.parts().projector;
    let now = OffsetDateTime::now_utc();
    let times = [
        now - days(400),
        now - days(35),
        now,
        now + days(35),
        now + days(4_000),
    ];
    let mut state = item("alice", &["x"]);
    let mut events = Vec::new();
    for time in times {
        events.push(item_event_at(time, &state));
        state = next(&state, |_| ());
    }
    // The newest first, so that what is older fills its place.
    let reversed: Vec<_> = events.iter().rev().cloned().collect();
    fixture
        .apply(&projector, batch(Entity::Items, 0, 0, reversed))
        .await;
    let places_then = places(&owner).await;
    assert_eq!(places_then.first().unwrap(), "item_history_first");
    assert_eq!(places_then.last().unwrap(), "item_history_default");
    let mut distinct = places_then.clone();
    distinct.dedup();
    assert_eq!(
        distinct.len(),
        5,
        "each in a partition of its own: {places_then:?}"
    );
    let before = fixture.views().await;

    let twice = [events.clone(), events.clone()].concat();
    fixture.apply(&projector, batch(Entity::Items, 0, 5, twice)).await;
    // From another partition of the log, as what was redriven.
    fixture
        .apply(&projector, batch(Entity::Items, 3, 0, events))
        .await;
    assert_eq!(fixture.count("item_history").await, 5);
    assert_eq!(places(&owner).await, places_then);
    assert_eq!(fixture.views().await, before);
}

#[tokio::test]
async fn projectors_that_race_make_each_partition_once() {
    let fixture = Fixture::new().await;
    let owner = fixture.database.owner_pool().await;
    backdate_history(&owner, 100).await;
    let racers: Vec<_> = (0..6).map(|_| keeping(&fixture, 10, None)).collect();
    let projector = fixture.parts().projector;
    let state = item("alice", &["x"]);
    let feed = async {
        let mut state = state.clone();
        for offset in 0..40 {
            let event = item_event_at(OffsetDateTime::now_utc() - days(offset * 3), &state);
            fixture
                .apply(&projector, batch(Entity::Items, 0, offset, vec![event]))
                .await;
            state = next(&state, |_| ());
        }
    };
    let race = async {
        let mut made = 0;
        for _ in 0..20 {
            for round in join_all(racers.iter().map(HistoryPartitions::step)).await {
                // Whoever meets a reader of the default partition for too long tries again.
                made += round.map_or(0, |round| round.made);
            }
        }
        made
    };
    let (made, ()) = tokio::join!(race, feed);
    let ranges = ranges(&owner).await;
    assert_eq!(made as usize, ranges.len() - 1);
    for pair in ranges.windows(2) {
        assert_eq!(Some(pair[0].2), pair[1].1, "no gap, no overlap: {ranges:?}");
    }
    assert_eq!(fixture.count("item_history").await, 40);
    let stray: i64 = sqlx::query_scalar("SELECT count(*) FROM read.item_history_default")
        .fetch_one(&owner)
        .await
        .unwrap();
    assert_eq!(
        stray, 0,
        "what came before its partition was made is moved into it"
    );
}

#[tokio::test]
async fn partitions_lie_ahead_and_no_more_than_are_needed() {
    let fixture = Fixture::new().await;
    let owner = fixture.database.owner_pool().await;
    backdate_history(&owner, 25).await;
    let partitions = keeping(&fixture, 10, None);
    assert_eq!(to_the_end(&partitions).await.made, 5);
    let all = ranges(&owner).await;
    // From 25 days ago on: two behind, one around now, two ahead.
    let expected = [
        (None, 25),
        (Some(25), 15),
        (Some(15), 5),
        (Some(5), -5),
        (Some(-5), -15),
        (Some(-15), -25),
    ];
    let found: Vec<_> = all.iter().map(|(_, from, to)| (*from, *to)).collect();
    assert_eq!(found, expected, "{all:?}");
    assert_eq!(partitions.step().await.unwrap(), HistoryUpkeep::default());
    // Another length is for new ones.
    assert_eq!(keeping(&fixture, 1, None).step().await.unwrap().made, 0);
    let without_key: Vec<String> = sqlx::query_scalar(
        "SELECT p.inhrelid::regclass::text FROM pg_inherits p
         WHERE p.inhparent = 'read.item_history'::regclass AND NOT EXISTS (
             SELECT FROM pg_index i WHERE i.indrelid = p.inhrelid AND i.indisprimary
                AND pg_get_indexdef(i.indexrelid) LIKE '%(projection, item_id, epoch, version)')",
    )
    .fetch_all(&owner)
    .await
    .unwrap();
    assert_eq!(without_key, Vec::<String>::new());
}

/// The alarm for a projector that makes none stands on what is measured.
#[tokio::test]
async fn that_none_can_be_made_is_measured_all_the_same() {
    let fixture = Fixture::new().await;
    let partitions = keeping(&fixture, 90, None);
    to_the_end(&partitions).await;
    let owner = fixture.database.owner_pool().await;
    for statement in [
        "REVOKE EXECUTE ON FUNCTION read.item_history_add_partitions(integer, integer) FROM depot_projector",
        "DELETE FROM read.item_history_partitions WHERE from_at > now()",
    ] {
        sqlx::query(statement).execute(&owner).await.unwrap();
    }
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let failed = partitions.step().await.unwrap_err();
    assert!(matches!(failed, HistoryUpkeepError::Make(_)), "{failed:?}");
    let told = recorder.handle().render();
    assert!(
        told.contains("depot_projector_history_partitions_ahead 0"),
        "{told}"
    );
}

#[tokio::test]
async fn what_is_dated_outside_of_all_partitions_is_stored_and_moved_when_its_partition_is_made() {
    let fixture = Fixture::new().await;
    let owner = fixture.database.owner_pool().await;
    backdate_history(&owner, 5).await;
    let projector = fixture.parts().projector;
    let now = OffsetDateTime::now_utc();
    let created = item("alice", &["x"]);
    let ahead = next(&created, |_| ());
    let events = vec![
        item_event_at(now, &created),
        item_event_at(now + days(20_000), &ahead),
    ];
    fixture
        .apply(&projector, batch(Entity::Items, 0, 0, events.clone()))
        .await;
    assert_eq!(places(&owner).await, ["item_history_default"; 2]);
    let before = fixture.views().await;

    assert!(to_the_end(&keeping(&fixture, 10, None)).await.made > 0);
    let now_places = places(&owner).await;
    assert!(now_places[0].starts_with("item_history_p"), "{now_places:?}");
    // Its time has not come, and may never.
    assert_eq!(now_places[1], "item_history_default");
    assert_eq!(fixture.views().await, before);
    fixture
        .apply(&projector, batch(Entity::Items, 0, 2, events))
        .await;
    assert_eq!(fixture.views().await, before);
    assert_eq!(fixture.count("item_history").await, 2);
}

#[tokio::test]
async fn an_event_that_is_being_written_while_its_partition_is_made_is_stored() {
    let fixture = Fixture::new().await;
    let owner = fixture.database.owner_pool().await;
    backdate_history(&owner, 5).await;
    let projector = fixture.parts().projector;
    let event = item_event_at(OffsetDateTime::now_utc(), &item("alice", &["x"]));
    // Made, and not committed: whoever writes sees the default partition only, and waits for something.
    let mut making = owner.begin().await.unwrap();
    let made: i32 = sqlx::query_scalar("SELECT read.item_history_add_partitions(10, 2)")
        .fetch_one(&mut *making)
        .await
        .unwrap();
    assert!(made > 0);
    let writes = fixture.apply(&projector, batch(Entity::Items, 0, 0, vec![event]));
    let commits = async {
        wait_until("the batch waits", async || {
            sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
                                AND relation::regclass::text LIKE 'read.item_history%')",
            )
            .fetch_one(&owner)
            .await
            .unwrap()
        })
        .await;
        making.commit().await.unwrap();
    };
    let ((), ()) = tokio::join!(writes, commits);
    let places = places(&owner).await;
    assert!(places[0].starts_with("item_history_p"), "{places:?}");
}

#[tokio::test]
async fn a_program_of_the_release_before_finds_its_statement_as_it_was() {
    let fixture = Fixture::new().await;
    let owner = fixture.database.owner_pool().await;
    backdate_history(&owner, 40).await;
    to_the_end(&keeping(&fixture, 30, None)).await;
    let now = OffsetDateTime::now_utc();
    let id = item("alice", &[]).id;
    let insert = async |version: i64, time: OffsetDateTime| {
        sqlx::query(
            r#"INSERT INTO read.item_history (projection, item_id, epoch, version, event_id, event_type, causation_id,
                                              actor, changed, item, occurred_at, topic, partition, "offset")
               SELECT $1, h.item_id, 0, h.version, gen_random_uuid(), 'depot.item.updated.v1', gen_random_uuid(), 'a',
                      '{}', '{}', h.occurred_at, 'depot.items.v1', 0, 7
               FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[]) AS h (item_id, version, occurred_at)
               ON CONFLICT DO NOTHING"#,
        )
        .bind(1)
        .bind(vec![id; 2])
        .bind(vec![version; 2])
        .bind(vec![time; 2])
        .execute(&fixture.pool)
        .await
        .unwrap()
        .rows_affected()
    };
    for (version, time) in [(1, now - days(300)), (2, now), (3, now + days(9_000))] {
        assert_eq!(insert(version, time).await, 1, "one of a repeat in the statement");
        assert_eq!(insert(version, time).await, 0, "none of a repeat in a later one");
    }
    assert_eq!(fixture.count("item_history").await, 3);
}

#[tokio::test]
async fn the_projector_makes_and_drops_partitions_by_its_functions_and_in_no_other_way() {
    let fixture = Fixture::new().await;
    backdate_history(&fixture.database.owner_pool().await, 40).await;
    assert!(to_the_end(&keeping(&fixture, 30, None)).await.made > 0);
    let query = fixture.database.pool(ServiceRole::Query).await;
    let refused = async |pool: &PgPool, statement: &'static str| {
        let error = sqlx::query(AssertSqlSafe(statement))
            .execute(pool)
            .await
            .unwrap_err();
        assert_eq!(
            error.as_database_error().unwrap().code().as_deref(),
            Some("42501"),
            "{statement}: {error}"
        );
    };
    for statement in [
        "CREATE TABLE read.item_history_mine PARTITION OF read.item_history FOR VALUES FROM ('2200-01-01') TO ('2200-01-02')",
        "DROP TABLE read.item_history_first",
        "ALTER TABLE read.item_history DETACH PARTITION read.item_history_first",
        "TRUNCATE read.item_history",
        "DELETE FROM read.item_history_first",
        "INSERT INTO read.item_history_default SELECT * FROM read.item_history",
        "UPDATE read.item_history_kept SET kept_from = now()",
        "UPDATE read.item_history_partitions SET to_at = now()",
    ] {
        refused(&fixture.pool, statement).await;
    }
    for statement in [
        "SELECT read.item_history_add_partitions(30, 2)",
        "SELECT read.item_history_drop_partition(1)",
        "SELECT count(*) FROM read.item_history_first",
        "DELETE FROM read.item_history",
        "DELETE FROM read.item_history_floors",
    ] {
        refused(&query, statement).await;
    }
    // Those that were made by the function, and by whatever else; the default one for its upkeep.
    let by_their_names: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname || ' ' || role
         FROM pg_inherits p JOIN pg_class c ON c.oid = p.inhrelid, unnest('{depot_projector,depot_query}'::text[]) role
         WHERE p.inhparent = 'read.item_history'::regclass
           AND has_table_privilege(role, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')",
    )
    .fetch_all(&fixture.pool)
    .await
    .unwrap();
    assert_eq!(by_their_names, ["item_history_default depot_projector"]);
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM read.item_history, read.item_history_kept")
        .fetch_one(&query)
        .await
        .unwrap();
    assert_eq!(seen, 0);
    // Not by mistake either: a retention of no days would drop everything.
    for statement in [
        "SELECT read.item_history_drop_partition(0)",
        "SELECT read.item_history_add_partitions(0, 1)",
    ] {
        assert!(
            sqlx::query(statement).execute(&fixture.pool).await.is_err(),
            "{statement}"
        );
    }
    // What the functions name is not looked for where the caller may put things.
    let paths: Vec<Vec<String>> = sqlx::query_scalar(
        "SELECT proconfig FROM pg_proc WHERE proname LIKE 'item_history%' AND prosecdef ORDER BY proname",
    )
    .fetch_all(&fixture.pool)
    .await
    .unwrap();
    assert_eq!(paths.len(), 2);
    for path in paths {
        assert!(
            path.contains(&"search_path=pg_catalog, read, pg_temp".to_owned()),
            "{path:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_projector_keeps_partitions_ahead() {
    let pipeline = Pipeline::new(1).await;
    let owner = pipeline.fixture.database.owner_pool().await;
    backdate_history(&owner, 35).await;
    let running = pipeline.start().await;
    wait_until("partitions lie ahead", async || {
        let ahead: i64 =
            sqlx::query_scalar("SELECT count(*) FROM read.item_history_partitions WHERE from_at > now()")
                .fetch_one(&owner)
                .await
                .unwrap();
        ahead == 2
    })
    .await;
    running.stop().await;
}
