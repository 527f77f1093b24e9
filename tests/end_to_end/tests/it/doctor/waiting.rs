//! What waits in the database though it is to be done at once: events, deadlines, dead letters.

use depot_test_stack::TestDatabase;
use sqlx::PgPool;

use super::{Pairs, execute, look, of_database};

const ID: &str = "0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f";

async fn world() -> (TestDatabase, PgPool, Pairs) {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_pool().await;
    let environment = of_database(&database);
    (database, owner, environment)
}

/// As relays do.
async fn hold(owner: &PgPool, schema: &str) {
    let held = format!(
        "UPDATE {schema}.outbox_shards
         SET holder = gen_random_uuid(), expires_at = clock_timestamp() + interval '1 day'"
    );
    execute(owner, &held).await;
}

#[tokio::test]
async fn an_outbox_that_nobody_publishes_is_told_with_what_to_start() {
    let (_database, owner, environment) = world().await;
    let outbox = ["--part", "outbox"];
    let found = look(&environment, &outbox).await;
    for (schema, starts) in [
        ("command", "command-api with RELAY_ENABLED"),
        ("uploader", "start an uploader"),
    ] {
        let words = [&*format!("64 of 64 shards of the outbox of {schema}"), starts];
        found.assert_only("shards_unheld", &words);
        hold(&owner, schema).await;
    }
    look(&environment, &outbox).await.assert_clean();
    // A lease that ran out is none.
    let late =
        "UPDATE command.outbox_shards SET expires_at = clock_timestamp() - interval '1 s' WHERE shard < 3";
    execute(&owner, late).await;
    let found = look(&environment, &outbox).await;
    found.assert_only("shards_unheld", &["3 of 64 shards of the outbox of command"]);
    assert_eq!(found.code, 1, "{found:?}");
    hold(&owner, "command").await;
    look(&environment, &outbox).await.assert_clean();
}

#[tokio::test]
async fn what_waits_in_an_outbox_is_told_with_its_age_and_what_mends_it() {
    let (_database, owner, environment) = world().await;
    let outbox = ["--part", "outbox"];
    for schema in ["command", "uploader"] {
        hold(&owner, schema).await;
    }
    for schema in ["command", "uploader"] {
        let resume = if schema == "command" {
            "`depot outbox resume"
        } else {
            "resume_requested = true"
        };
        for (kind, plant, words, mend) in [
            (
                "outbox_old",
                format!(
                    "INSERT INTO {schema}.outbox (occurred_at, aggregate_version, aggregate_id, event_id, shard, topic,
                                                  event_type, headers, payload)
                     VALUES (clock_timestamp() - interval '1 hour', 1, '{ID}', '{ID}', 55, 't', 'e', '', '')"
                ),
                ["1 event in the outbox", "the oldest for 36"],
                format!("UPDATE {schema}.outbox_shards SET position = pg_current_snapshot()"),
            ),
            (
                "aggregate_parked",
                format!(
                    "INSERT INTO {schema}.outbox_parked_aggregates (aggregate_id, shard, reason)
                     VALUES ('{ID}', 55, 'Kafka refused it: too large')"
                ),
                [ID, "Kafka refused it: too large"],
                format!("DELETE FROM {schema}.outbox_parked_aggregates"),
            ),
            (
                "outbox_foreign",
                format!("UPDATE {schema}.outbox_origin SET system_identifier = 7"),
                ["another cluster", "outbox_rebase()"],
                format!("SELECT {schema}.outbox_rebase()"),
            ),
        ] {
            execute(&owner, &plant).await;
            let found = look(&environment, &outbox).await;
            found.assert_only(kind, &[schema, words[0], words[1]]);
            assert_eq!(found.code, 1, "{found:?}");
            if kind == "aggregate_parked" {
                found.assert_has(kind, &[resume]);
            }
            execute(&owner, &mend).await;
            // The last one takes the leases, and has everything published again.
            hold(&owner, schema).await;
            let published = format!("UPDATE {schema}.outbox_shards SET position = pg_current_snapshot()");
            execute(&owner, &published).await;
            look(&environment, &outbox).await.assert_clean();
        }
    }
}

#[tokio::test]
async fn sagas_that_do_not_go_on_are_told_with_how_to_set_them_going() {
    let (_database, owner, environment) = world().await;
    let sagas = ["--part", "sagas"];
    look(&environment, &sagas).await.assert_clean();
    for (kind, state, deadline, words) in [
        (
            "saga_stuck",
            "stuck",
            "NULL",
            ["1 saga of `upload`", &*format!("`depot saga resume upload {ID}`")],
        ),
        (
            "deadline_missed",
            "running",
            "clock_timestamp() - interval '1 hour'",
            ["1 deadline of sagas `upload`", "SAGA_ENABLED"],
        ),
    ] {
        let plant = format!(
            "INSERT INTO command.sagas (saga, saga_id, state, step, deadline)
             VALUES ('upload', '{ID}', '{state}', 'awaiting_file', {deadline})"
        );
        execute(&owner, &plant).await;
        let found = look(&environment, &sagas).await;
        found.assert_only(kind, &words);
        assert_eq!(found.code, 1, "{found:?}");
        // A deadline that has just passed is being taken.
        let patient = look(&environment, &["--part", "sagas", "--patience", "86400"]).await;
        assert!(!patient.has("deadline_missed", &[]), "{patient:?}");
        execute(&owner, "DELETE FROM command.sagas").await;
        look(&environment, &sagas).await.assert_clean();
    }
}

#[tokio::test]
async fn open_dead_letters_are_told_by_the_group_that_failed() {
    let (_database, owner, environment) = world().await;
    let letters = ["--part", "dead-letters"];
    look(&environment, &letters).await.assert_clean();
    for (group, topic, reason) in [
        ("depot.saga", "depot.files.v1", "not_json"),
        ("depot.uploader", "depot.uploads.v1", "unknown_type"),
    ] {
        let plant = format!(
            "INSERT INTO command.dead_letters (consumer_group, topic, partition, \"offset\", reason, detail, attempts,
                                               first_failed_at, failed_at, dlq_topic, dlq_partition, dlq_offset)
             VALUES ('{group}', '{topic}', 0, 7, '{reason}', 'd', 1, now(), now(), 'dlq', 0, 0)"
        );
        execute(&owner, &plant).await;
        let found = look(&environment, &letters).await;
        let list = format!("`depot dlq list --group {group}`");
        found.assert_only(
            "dead_letters_open",
            &["1 message of", topic, group, reason, &list],
        );
        assert_eq!(found.code, 4, "{found:?}");
    }
    execute(&owner, "UPDATE command.dead_letters SET state = 'discarded'").await;
    look(&environment, &letters).await.assert_clean();
}
