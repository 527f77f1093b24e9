//! Whether what Postgres acknowledges is on disk.

use depot_end_to_end::ConfiguredPostgres;
use depot_test_stack::TestDatabase;

use super::{execute, look, of_database, of_machine};

const DATABASE: [&str; 2] = ["--part", "database"];

#[tokio::test]
async fn commits_that_do_not_wait_for_the_disk_are_told_whoever_set_them_so() {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_pool().await;
    let environment = of_database(&database);
    let name = database.name();
    for (whose, words) in [
        (
            format!("DATABASE {name}"),
            ["synchronous_commit is off in Postgres", "ALTER DATABASE"],
        ),
        (
            format!("ROLE depot_command IN DATABASE {name}"),
            [
                "synchronous_commit is off for the role depot_command",
                "IN DATABASE",
            ],
        ),
    ] {
        execute(&owner, &format!("ALTER {whose} SET synchronous_commit = off")).await;
        let found = look(&environment, &DATABASE).await;
        let mend = format!("ALTER {whose} RESET synchronous_commit");
        found.assert_only("durability_off", &[words[0], words[1], &mend]);
        assert_eq!(found.code, 1, "{found:?}");
        execute(&owner, &mend).await;
        look(&environment, &DATABASE).await.assert_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_write_to_its_disk_is_told() {
    let mut postgres = ConfiguredPostgres::start_with("-c fsync=off -c full_page_writes=off")
        .await
        .unwrap();
    let mut environment = of_machine();
    environment.extend(
        postgres
            .urls()
            .into_iter()
            .map(|(name, url)| (name.to_owned(), url)),
    );
    let found = look(&environment, &DATABASE).await;
    found.assert_only("durability_off", &["fsync is off", "postgresql.conf"]);
    found.assert_has("durability_off", &["full_page_writes is off"]);
    postgres.restart_with("").await.unwrap();
    look(&environment, &DATABASE).await.assert_clean();
}
