//! The pool on a real Postgres.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use depot_service::config::DatabaseConfig;
use depot_service::database::{self, Plans, Pool};
use depot_service::metrics::Metrics;
use depot_test_stack::{ServiceRole, TestDatabase};

async fn setting(pool: &Pool, name: &str) -> String {
    sqlx::query_scalar("SELECT current_setting($1)")
        .bind(name)
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn connections_carry_the_schema_the_name_and_the_time_outs() {
    let database = TestDatabase::create().await.unwrap();
    let config = DatabaseConfig {
        statement_timeout: Duration::from_millis(1_500),
        idle_in_transaction_timeout: Duration::from_secs(7),
        ..DatabaseConfig::for_url(&database.url(ServiceRole::Command), "command")
    };
    let pool = database::connect(&config, "the-test", Plans::Usual).unwrap();
    database::check(pool.clone()).await.unwrap();
    assert_eq!(setting(&pool, "search_path").await, "command");
    assert_eq!(setting(&pool, "application_name").await, "the-test");
    assert_eq!(setting(&pool, "statement_timeout").await, "1500ms");
    assert_eq!(setting(&pool, "idle_in_transaction_session_timeout").await, "7s");
    assert_eq!(setting(&pool, "tcp_keepalives_idle").await, "10");
}

#[tokio::test]
async fn statements_are_planned_when_their_pool_says() {
    let database = TestDatabase::create().await.unwrap();
    let config = DatabaseConfig::for_url(&database.url(ServiceRole::Command), "command");
    for (plans, mode, whole_tables) in [
        (Plans::Usual, "auto", "on"),
        (Plans::Anew, "force_custom_plan", "on"),
        (Plans::Kept, "force_generic_plan", "off"),
        (Plans::Ordered, "force_generic_plan", "off"),
    ] {
        let pool = database::connect(&config, "the-test", plans).unwrap();
        assert_eq!(setting(&pool, "plan_cache_mode").await, mode, "{plans:?}");
        assert_eq!(setting(&pool, "enable_seqscan").await, whole_tables, "{plans:?}");
        let sorts = if plans == Plans::Ordered { "off" } else { "on" };
        assert_eq!(setting(&pool, "enable_sort").await, sorts, "{plans:?}");
        assert_eq!(setting(&pool, "enable_bitmapscan").await, sorts, "{plans:?}");
        assert_eq!(setting(&pool, "jit").await, "off", "{plans:?}");
        assert_eq!(setting(&pool, "search_path").await, "command", "{plans:?}");
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_by_the_server() {
    let database = TestDatabase::create().await.unwrap();
    let config = DatabaseConfig {
        statement_timeout: Duration::from_millis(50),
        ..DatabaseConfig::for_url(&database.url(ServiceRole::Command), "command")
    };
    let pool = database::connect(&config, "the-test", Plans::Usual).unwrap();
    let error = sqlx::query("SELECT pg_sleep(3600)")
        .execute(&pool)
        .await
        .unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "57014");
}

#[tokio::test]
async fn a_connection_that_ended_while_nobody_used_it_is_replaced_before_its_use() {
    let database = TestDatabase::create().await.unwrap();
    let config = DatabaseConfig {
        max_connections: 1,
        ..DatabaseConfig::for_url(&database.url(ServiceRole::Command), "command")
    };
    let pool = database::connect(&config, "the-test", Plans::Usual).unwrap();
    let backend = async || -> Result<i32, sqlx::Error> {
        sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&pool)
            .await
    };
    let first = backend().await.unwrap();
    let owner = database.owner_pool().await;
    sqlx::query("SELECT pg_terminate_backend($1)")
        .bind(first)
        .execute(&owner)
        .await
        .unwrap();
    assert_ne!(backend().await.unwrap(), first);
}

/// The driver lets others run eight hundred times while it proves the password. One thread, on which each turn counts.
#[tokio::test]
async fn a_connection_is_opened_apart_from_what_waits_to_run() {
    let database = TestDatabase::create().await.unwrap();
    let config = DatabaseConfig::for_url(&database.url(ServiceRole::Command), "command");
    let pool = database::connect(&config, "the-test", Plans::Usual).unwrap();
    let turns = Arc::new(AtomicUsize::new(0));
    let others = tokio::spawn({
        let turns = Arc::clone(&turns);
        async move {
            loop {
                turns.fetch_add(1, Ordering::Relaxed);
                // As others that do something; a turn is long, so that there are few while a server answers.
                let began = Instant::now();
                while began.elapsed() < Duration::from_millis(5) {
                    std::hint::spin_loop();
                }
                tokio::task::yield_now().await;
            }
        }
    });
    drop(pool.acquire().await.unwrap());
    others.abort();
    let turns = turns.load(Ordering::Relaxed);
    assert!(turns < 400, "{turns} turns of others until a connection was open");
}

#[tokio::test]
async fn more_connections_than_the_pool_has_are_waited_for_and_no_longer_than_its_time() {
    let database = TestDatabase::create().await.unwrap();
    let config = DatabaseConfig {
        max_connections: 2,
        acquire_timeout: Duration::from_secs(3),
        ..DatabaseConfig::for_url(&database.url(ServiceRole::Command), "command")
    };
    let pool = database::connect(&config, "the-test", Plans::Usual).unwrap();
    let held = futures::future::join_all((0..8).map(|_| pool.acquire())).await;
    let (had, refused): (Vec<_>, Vec<_>) = held.into_iter().partition(Result::is_ok);
    assert_eq!((had.len(), refused.len(), pool.size()), (2, 6, 2));
    for refused in refused {
        assert!(matches!(refused, Err(sqlx::Error::PoolTimedOut)), "{refused:?}");
    }
    let waits = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    drop(had);
    waits.await.unwrap().unwrap();
}

#[tokio::test]
async fn watched_pools_are_counted_by_state() {
    let database = TestDatabase::create().await.unwrap();
    let config = DatabaseConfig::for_url(&database.url(ServiceRole::Command), "command");
    let pool = database::connect(&config, "the-test", Plans::Usual).unwrap();
    // Other tests render the same recorder with pools of their own, so one look may find their figures.
    let metrics = Metrics::install().unwrap();
    metrics.watch_pool(&pool);
    let (_one, _two) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    depot_test_stack::wait_until("both connections to be counted", || {
        let text = metrics.render();
        async move { text.contains("depot_db_conn_count{state=\"in_use\"} 2") }
    })
    .await;
}

/// As a process that is stopped in the middle of one: what it was doing is to be done again, and is no fault of its own.
#[tokio::test]
async fn a_transaction_that_stood_still_for_too_long_is_a_database_that_was_away() {
    let database = TestDatabase::create().await.unwrap();
    let config = DatabaseConfig {
        idle_in_transaction_timeout: Duration::from_millis(20),
        ..DatabaseConfig::for_url(&database.url(ServiceRole::Command), "command")
    };
    let pool = database::connect(&config, "the-test", Plans::Usual).unwrap();
    let mut transaction = pool.begin().await.unwrap();
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    let owner = database.owner_pool().await;
    depot_test_stack::wait_until("the server has ended the connection", || async {
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)")
            .bind(backend)
            .fetch_one(&owner)
            .await
            .unwrap();
        !there
    })
    .await;
    let error = sqlx::query("SELECT 1")
        .execute(&mut *transaction)
        .await
        .unwrap_err();
    let code = error.as_database_error().and_then(|error| error.code());
    assert_eq!(code.as_deref(), Some("25P03"), "{error}");
    assert!(database::is_away(&error) && !database::is_caused_by_values(&error));
}
