use depot_test_stack::{OperatorRole, TestDatabase, wait_until};
use sqlx::{Connection as _, PgConnection};

use super::{Found, execute, look, of_database, with};

const DATABASE: [&str; 2] = ["--part", "database"];

async fn look_at(database: &TestDatabase) -> Found {
    look(&of_database(database), &DATABASE).await
}

#[tokio::test]
async fn a_migrated_database_is_in_order() {
    let database = TestDatabase::create().await.unwrap();
    let found = look_at(&database).await;
    found.assert_clean();
    let seen = found.report["parts"][0]["seen"].to_string();
    assert!(seen.contains("Postgres ") && seen.contains(" MiB"), "{seen}");
}

#[tokio::test]
async fn a_database_that_is_away_or_does_not_let_the_operator_in_is_told_and_nothing_else_is_guessed() {
    let database = TestDatabase::create().await.unwrap();
    let environment = of_database(&database);
    let away = "postgres://depot_operator:x@127.0.0.1:1/depot";
    let away = with(&environment, &[(OperatorRole::URL_VARIABLE, away)]);
    let found = look(&away, &DATABASE).await;
    found.assert_only("database_away", &["start Postgres"]);
    assert_eq!(found.code, 3, "{found:?}");
    // What is in it is not looked at either, and says so without a second finding.
    for part in ["outbox", "sagas", "dead-letters"] {
        let found = look(&away, &["--part", part]).await;
        assert_eq!((found.code, found.findings().count()), (3, 0), "{found:?}");
        assert!(
            found.report["parts"][0]["unseen"]
                .to_string()
                .contains("does not answer"),
            "{found:?}"
        );
    }
    let mut stranger: url::Url = database.operator_url().parse().unwrap();
    stranger.set_password(Some("another")).unwrap();
    let stranger = with(&environment, &[(OperatorRole::URL_VARIABLE, stranger.as_str())]);
    let found = look(&stranger, &DATABASE).await;
    found.assert_only(
        "operator_refused",
        &["does not let this role in", "`depot migrate`"],
    );
    assert_eq!(found.code, 3);
    look(&environment, &DATABASE).await.assert_clean();
}

#[tokio::test]
async fn a_schema_that_is_not_of_this_version_is_told_as_at_the_start_of_its_services() {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_pool().await;
    for schema in ["command", "uploader", "read"] {
        let list = format!("{schema}._sqlx_migrations");
        for (plant, words, mend) in [
            (
                format!("UPDATE {list} SET success = false WHERE version = 1"),
                ["migration 1 begun and not ended", "one that runs end"],
                format!("UPDATE {list} SET success = true WHERE version = 1"),
            ),
            (
                format!("UPDATE {list} SET checksum = checksum || '\\x00' WHERE version = 1"),
                [
                    "another text of migration 1",
                    "start the version that migrated it",
                ],
                format!(
                    "UPDATE {list} SET checksum = substr(checksum, 1, length(checksum) - 1) WHERE version = 1"
                ),
            ),
            (
                format!(
                    "INSERT INTO {list} (version, description, success, checksum, execution_time)
                     VALUES (7001, 'contract 7000 drop what was used', true, '\\x01', 0)"
                ),
                ["was contracted by migration 7001", "start a newer version"],
                format!("DELETE FROM {list} WHERE version = 7001"),
            ),
            (
                format!("UPDATE {list} SET version = 9999 WHERE version = 1"),
                ["lacks the migrations 1", "`depot migrate`"],
                format!("UPDATE {list} SET version = 1 WHERE version = 9999"),
            ),
            (
                format!("ALTER TABLE {list} RENAME TO elsewhere"),
                ["is not there", "`depot migrate`"],
                format!("ALTER TABLE {schema}.elsewhere RENAME TO _sqlx_migrations"),
            ),
        ] {
            execute(&owner, &plant).await;
            let found = look_at(&database).await;
            found.assert_only("schema_unfit", &[&format!("schema {schema}"), words[0], words[1]]);
            assert_eq!(found.code, 1, "{found:?}");
            execute(&owner, &mend).await;
            look_at(&database).await.assert_clean();
        }
    }
}

#[tokio::test]
async fn a_transaction_that_stays_open_is_told_with_its_process() {
    let database = TestDatabase::create().await.unwrap();
    let mut forgotten = PgConnection::connect(&database.owner_url()).await.unwrap();
    let mut open = forgotten.begin().await.unwrap();
    let pid: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid() FROM command.items RIGHT JOIN (SELECT 1) one ON true")
            .fetch_one(&mut *open)
            .await
            .unwrap();
    let environment = of_database(&database);
    let impatient = [&DATABASE[..], &["--patience", "1"]].concat();
    let words = [
        &*format!("pid {pid}"),
        "idle in transaction",
        "pg_terminate_backend",
    ];
    wait_until("it is told", || async {
        look(&environment, &impatient)
            .await
            .has("transaction_old", &words)
    })
    .await;
    // One that has just begun is nobody's fault.
    let patient = [&DATABASE[..], &["--patience", "86400"]].concat();
    look(&environment, &patient).await.assert_clean();
    let found = look(&environment, &impatient).await;
    assert_eq!(
        (found.severity("transaction_old"), found.code),
        (&"warning".into(), 4),
        "{found:?}"
    );
    open.rollback().await.unwrap();
    look(&environment, &impatient).await.assert_clean();
}
