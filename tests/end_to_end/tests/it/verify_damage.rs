//! The check of the promises, checked: it must see every kind of damage, or it proves nothing.

use std::sync::{Arc, Mutex};

use depot_end_to_end::{Depot, produce_raw, read_topic};
use depot_schemas::{Entity, header};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::{
    load::{Acknowledged, Load},
    verify,
};

/// What is damaged.
#[derive(Clone, Copy)]
enum Subject {
    Item,
    Upload,
    /// The storage account of the load's user.
    Account,
}

struct Damage {
    of: Subject,
    /// Statements in which `$1` is the subject's id.
    plant: &'static str,
    mend: &'static str,
    /// How the check's complaint begins, or goes on after the id.
    complaint: &'static str,
}

const DAMAGES: [Damage; 6] = [
    Damage {
        of: Subject::Item,
        plant: "UPDATE read.item_history SET version = 1000 WHERE item_id = $1::uuid AND version = 2",
        mend: "UPDATE read.item_history SET version = 2 WHERE item_id = $1::uuid AND version = 1000",
        complaint: "history of",
    },
    Damage {
        of: Subject::Item,
        plant: "UPDATE read.items SET description = 'old' || description WHERE id = $1::uuid",
        mend: "UPDATE read.items SET description = substr(description, 4) WHERE id = $1::uuid",
        complaint: "view of",
    },
    Damage {
        of: Subject::Item,
        plant: "UPDATE read.items SET version = version - 1 WHERE id = $1::uuid",
        mend: "UPDATE read.items SET version = version + 1 WHERE id = $1::uuid",
        complaint: "view of",
    },
    Damage {
        of: Subject::Upload,
        plant: "UPDATE read.uploads SET status = 'received' WHERE id = $1::uuid",
        mend: "UPDATE read.uploads SET status = 'stored' WHERE id = $1::uuid",
        complaint: "`left == right` failed: upload",
    },
    Damage {
        of: Subject::Upload,
        plant: "UPDATE read.items SET files = files || files WHERE files->0->>'upload_id' = $1",
        mend: "UPDATE read.items SET files = jsonb_build_array(files->0) WHERE files->0->>'upload_id' = $1",
        complaint: "is attached to",
    },
    Damage {
        of: Subject::Account,
        plant: "UPDATE command.storage_accounts SET used_bytes = used_bytes + 1 WHERE owner = $1",
        mend: "UPDATE command.storage_accounts SET used_bytes = used_bytes - 1 WHERE owner = $1",
        complaint: "quota",
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn the_check_of_the_promises_sees_every_kind_of_damage() {
    let depot = Arc::new(Depot::start().await.unwrap());
    let acknowledged = short_load(&depot).await;
    let item = changed_item(&acknowledged);
    let (upload, key) = stored_upload(&depot, &acknowledged).await;
    sees_nothing(&depot, &acknowledged).await;

    for damage in DAMAGES {
        let subject = match damage.of {
            Subject::Item => &item,
            Subject::Upload => &upload,
            Subject::Account => "alice",
        };
        change(&depot, damage.plant, subject).await;
        sees(&depot, &acknowledged, damage.complaint).await;
        change(&depot, damage.mend, subject).await;
    }
    what_was_acknowledged_otherwise(&depot, &acknowledged, &item).await;
    sees_nothing(&depot, &acknowledged).await;

    let backing = &depot.backing;
    backing.store.delete(&backing.files, &key).await.unwrap();
    sees(&depot, &acknowledged, "a reference without its object").await;
    backing.store.put(&backing.files, &key, vec![0]).await.unwrap();
    sees_nothing(&depot, &acknowledged).await;
    damaged_log(&depot, &acknowledged).await;
}

/// Acknowledgements that the system never gave are commands that it lost, and the other way round.
async fn what_was_acknowledged_otherwise(depot: &Arc<Depot>, acknowledged: &Acknowledged, item: &str) {
    let lost_item = copy(acknowledged);
    let unknown = Uuid::now_v7().to_string();
    lost_item
        .items
        .lock()
        .unwrap()
        .insert(unknown.clone(), (1, String::new()));
    sees(depot, &lost_item, &format!("item {unknown} is not in Kafka")).await;

    let lost_version = copy(acknowledged);
    lost_version.items.lock().unwrap().get_mut(item).unwrap().0 += 1;
    sees(depot, &lost_version, &format!("item {item} in Kafka")).await;

    let untold = copy(acknowledged);
    untold.items.lock().unwrap().remove(item);
    sees(depot, &untold, "items nobody was told of").await;
}

/// Records that no relay of ours would write. They stay, so each is written where the check meets it before those that
/// were written earlier.
async fn damaged_log(depot: &Arc<Depot>, acknowledged: &Acknowledged) {
    let topic = depot.topics().events(Entity::Items);
    let records = read_topic(&topic).await.unwrap();
    let (first, last) = (&records[0], &records[records.len() - 1]);
    assert_ne!(first.partition, last.partition);
    let new = || Uuid::now_v7().to_string();

    let reordered = new();
    for version in ["2", "1"] {
        write(&topic, &reordered, version, &new(), &new(), b"{}").await;
    }
    let of_two_versions = copy(acknowledged);
    of_two_versions
        .items
        .lock()
        .unwrap()
        .insert(reordered.clone(), (2, String::new()));
    sees(depot, &of_two_versions, &format!("item {reordered} in Kafka")).await;

    let cause = first.header(header::CAUSATION_ID);
    write(&topic, &new(), "1", cause, &new(), b"{}").await;
    sees(depot, acknowledged, "took effect twice").await;

    let version = last.header(header::AGGREGATE_VERSION);
    write(&topic, last.key_text(), version, &new(), &new(), &last.payload).await;
    sees(depot, acknowledged, "a repeat with another id").await;

    let (version, id) = (first.header(header::AGGREGATE_VERSION), first.header(header::ID));
    write(&topic, first.key_text(), version, cause, id, b"{}").await;
    sees(depot, acknowledged, "a repeat with other bytes").await;
}

async fn write(topic: &str, key: &str, version: &str, cause: &str, id: &str, payload: &[u8]) {
    let headers = [
        (header::AGGREGATE_VERSION, version),
        (header::CAUSATION_ID, cause),
        (header::ID, id),
    ];
    produce_raw(topic, Some(key), &headers, payload).await.unwrap();
}

async fn short_load(depot: &Depot) -> Acknowledged {
    let load = Load::start(&depot.client("alice", Role::Writer));
    wait_until("something was acknowledged of each kind", || async {
        load.acknowledged.uploads.lock().unwrap().len() >= 3
            && load.acknowledged.items.lock().unwrap().len() >= 10
    })
    .await;
    let acknowledged = load.stop().await;
    verify::quiet(depot).await;
    copy(&acknowledged)
}

fn copy(acknowledged: &Acknowledged) -> Acknowledged {
    Acknowledged {
        items: Mutex::new(acknowledged.items.lock().unwrap().clone()),
        uploads: Mutex::new(acknowledged.uploads.lock().unwrap().clone()),
        ..Acknowledged::default()
    }
}

fn changed_item(acknowledged: &Acknowledged) -> String {
    let items = acknowledged.items.lock().unwrap();
    let changed = items.iter().find(|(_, (version, _))| *version > 2);
    changed.expect("the load changes items").0.clone()
}

async fn stored_upload(depot: &Depot, acknowledged: &Acknowledged) -> (String, String) {
    let upload = acknowledged
        .uploads
        .lock()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    let key = sqlx::query_scalar("SELECT object_key FROM read.uploads WHERE id = $1::uuid")
        .bind(&upload)
        .fetch_one(&depot.database)
        .await
        .unwrap();
    (upload, key)
}

async fn change(depot: &Depot, statement: &str, subject: &str) {
    let statement = statement.to_owned();
    let done = sqlx::query(AssertSqlSafe(statement.clone()))
        .bind(subject)
        .execute(&depot.database)
        .await
        .unwrap();
    assert!(done.rows_affected() > 0, "nothing was damaged: {statement}");
}

async fn sees_nothing(depot: &Depot, acknowledged: &Acknowledged) {
    let checked = verify::nothing_lost_doubled_or_reordered(depot, acknowledged).await;
    println!("{checked:?}");
}

/// The check fails, and says that.
async fn sees(depot: &Arc<Depot>, acknowledged: &Acknowledged, message: &str) {
    let (depot, acknowledged) = (Arc::clone(depot), copy(acknowledged));
    let check =
        tokio::spawn(async move { verify::nothing_lost_doubled_or_reordered(&depot, &acknowledged).await });
    let panic = check
        .await
        .expect_err(&format!("nobody saw damage that reads `{message}`"))
        .into_panic();
    let said = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|&said| said.to_owned()))
        .unwrap_or_default();
    assert!(
        said.contains(message),
        "expected `{message}`, the check said: {said}"
    );
    println!("seen: {message}");
}
