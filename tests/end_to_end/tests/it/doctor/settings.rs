//! The tool's own settings, and clocks, without any service.

use std::path::Path;

use depot_test_stack::TestDatabase;

use super::{look, of_database, of_machine, run, with};

#[tokio::test]
async fn settings_that_cannot_be_used_are_told_all_at_once_and_what_needs_them_is_not_looked_at() {
    let good = of_machine();
    look(&good, &["--part", "settings"]).await.assert_clean();
    let bad = with(
        &good,
        &[
            ("OPERATOR_DATABASE_URL", ""),
            ("KAFKA_BROKERS", "nowhere"),
            ("REDIS_ADDR", "ftp://redis"),
            ("MINIO_ENDPOINT", "store"),
            ("QUERY_API_ADMIN_URLS", "http://a:b@127.0.0.1:1"),
        ],
    );
    let found = look(&bad, &["--part", "settings"]).await;
    for variable in [
        "OPERATOR_DATABASE_URL: is not set",
        "KAFKA_BROKERS",
        "REDIS_ADDR",
        "MINIO_ENDPOINT",
        "QUERY_API_ADMIN_URLS",
    ] {
        found.assert_only("setting_refused", &[variable]);
    }
    assert_eq!(found.code, 1, "{found:?}");
    for part in [
        "services",
        "database",
        "kafka",
        "cache",
        "object-store",
        "outbox",
        "sagas",
        "lag",
    ] {
        let found = look(&bad, &["--part", part]).await;
        assert_eq!(
            (found.code, found.findings().count()),
            (3, 0),
            "{part}: {found:?}"
        );
        assert!(
            found.report.to_string().contains("cannot be used"),
            "{part}: {found:?}"
        );
    }
}

#[tokio::test]
async fn wrong_usage_is_told_by_its_exit_code() {
    for wrong in [
        &["doctor", "--part", "all"][..],
        &["doctor", "--patience", "soon"],
        &["doctor", "--least-free-percent", "101"],
        &["doctor", "--mend"],
    ] {
        assert_eq!(run(&of_machine(), wrong).await.0, 2, "{wrong:?}");
    }
    let (code, help) = run(&of_machine(), &["doctor", "--help"]).await;
    assert!(
        code == 0 && help.contains("Exit codes:") && help.contains("dead-letters"),
        "{help}"
    );
}

/// The machine on which the tool runs, under libfaketime, where that is installed: `make faults` installs it. An instance
/// whose clock is wrong is in `wrong_instance.rs`, everywhere.
#[tokio::test]
async fn a_machine_whose_clock_is_wrong_is_told_against_the_database() {
    let database = TestDatabase::create().await.unwrap();
    let environment = of_database(&database);
    let clock = ["--part", "clock"];
    look(&environment, &clock).await.assert_clean();
    let library = format!(
        "/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1",
        std::env::consts::ARCH
    );
    if !Path::new(&library).exists() {
        println!("not run: {library} is not there");
        return;
    }
    for (moved, severity, words) in [
        ("+10s", "warning", ["this machine", "ahead of the database's"]),
        ("-100s", "fault", ["this machine", "behind the database's"]),
    ] {
        let wrong = with(
            &environment,
            &[
                ("LD_PRELOAD", &library),
                ("FAKETIME", moved),
                ("DONT_FAKE_MONOTONIC", "1"),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ],
        );
        let found = look(&wrong, &clock).await;
        found.assert_only("clock_differs", &words);
        assert_eq!(found.severity("clock_differs"), severity, "{found:?}");
        // The others agree with the database, as they did.
        assert_eq!(found.findings().count(), 1, "{found:?}");
    }
}
