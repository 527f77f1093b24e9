use depot_end_to_end::OwnRedis;
use depot_test_stack::TestDatabase;

use super::{execute, look, of_database, with};

const CACHE: [&str; 2] = ["--part", "cache"];

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_or_lets_go_of_nothing_is_told() {
    let database = TestDatabase::create().await.unwrap();
    let redis = OwnRedis::start().await.unwrap();
    let environment = with(&of_database(&database), &[("REDIS_ADDR", &redis.address)]);
    let found = look(&environment, &CACHE).await;
    found.assert_clean();
    assert!(
        found.report["parts"][0]["seen"].to_string().contains("Redis "),
        "{found:?}"
    );

    redis.configure("maxmemory-policy", "noeviction").await.unwrap();
    let found = look(&environment, &CACHE).await;
    found.assert_only("redis_never_evicts", &["256 MiB", "allkeys-lru"]);
    assert_eq!(found.code, 4, "{found:?}");
    redis.configure("maxmemory-policy", "allkeys-lru").await.unwrap();
    look(&environment, &CACHE).await.assert_clean();

    let away = with(&environment, &[("REDIS_ADDR", "127.0.0.1:1")]);
    let found = look(&away, &CACHE).await;
    found.assert_only("redis_away", &["start Redis", "slower, and not wrong"]);
    assert_eq!(
        (found.severity("redis_away"), found.code),
        (&"warning".into(), 3),
        "{found:?}"
    );
}

#[tokio::test]
async fn what_redis_was_not_told_of_and_another_redis_than_the_noted_one_are_told() {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_pool().await;
    let environment = of_database(&database);
    look(&environment, &CACHE).await.assert_clean();
    for (kind, plant, words, mend) in [
        (
            "cache_pending",
            "INSERT INTO read.pending_cache (projection, kind, id, epoch, version, noted_at)
             VALUES (1, 'item', gen_random_uuid(), 0, 1, clock_timestamp() - interval '1 hour')",
            ["not told to Redis: 1 change", "start a projector"],
            "DELETE FROM read.pending_cache",
        ),
        (
            "cache_foreign",
            "UPDATE read.cache_generation SET redis_run_id = 'of another one'",
            [
                "not the one that the cache's generation holds for",
                "raises the generation",
            ],
            "UPDATE read.cache_generation SET redis_run_id = NULL",
        ),
    ] {
        execute(&owner, plant).await;
        let found = look(&environment, &CACHE).await;
        found.assert_only(kind, &words);
        assert_eq!(found.code, 4, "{found:?}");
        execute(&owner, mend).await;
        look(&environment, &CACHE).await.assert_clean();
    }
    // What was noted just now is on its way.
    let fresh = "INSERT INTO read.pending_cache (projection, kind, id, epoch, version)
                 VALUES (1, 'item', gen_random_uuid(), 0, 1)";
    execute(&owner, fresh).await;
    look(&environment, &[&CACHE[..], &["--patience", "86400"]].concat())
        .await
        .assert_clean();
}
