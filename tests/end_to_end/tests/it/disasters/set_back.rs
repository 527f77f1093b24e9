use depot_end_to_end::{Client, Depot, OwnPostgres, Service};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use reqwest::StatusCode;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    compared, create, load, rename, run, start, stop, tell, tool, views_become_the_state, wait_long_until,
};
use crate::{
    examples::{backup, page::marked},
    long::is_left_out,
};

/// An upload that was open when the backup was taken is given up soon: its client went on in a history that is over.
const SETTINGS: [(&str, &str); 3] = [
    ("SAGA_SWEEP_ENABLED", "false"),
    ("UPLOAD_URL_TTL_SECONDS", "60"),
    ("UPLOAD_GRACE_SECONDS", "5"),
];

/// Items and their versions.
async fn items(database: &PgPool) -> Vec<(Uuid, i64)> {
    sqlx::query_as("SELECT id, version FROM command.items ORDER BY id")
        .fetch_all(database)
        .await
        .unwrap()
}

async fn epoch(database: &PgPool) -> i32 {
    sqlx::query_scalar("SELECT epoch FROM command.restore_epoch")
        .fetch_one(database)
        .await
        .unwrap()
}

/// What clients read of an item, through every layer, is what the state is.
async fn reads_show(reader: &Client, id: &str, version: &str, name: &str) {
    let path = format!("/api/v1/items/{id}");
    wait_until("every layer shows the state", || async {
        let seen = reader.send(reader.query(&path)).await.unwrap();
        seen.version().as_deref() == Some(version) && seen.text("name") == name
    })
    .await;
}

/// Nothing is left of an item that the database was set back before.
async fn reads_as_gone(reader: &Client, id: &str) {
    let path = format!("/api/v1/items/{id}");
    wait_until("every layer shows that it is gone", || async {
        let seen = reader.send(reader.query(&path)).await.unwrap();
        seen.status == StatusCode::GONE
    })
    .await;
}

/// The views emptied, and built again from the log alone, the history that is over included.
async fn rebuild(depot: &mut Depot, database: &PgPool) {
    stop(depot, &[Service::Projector]).await;
    let page = marked(backup::PAGE, "tested");
    let empty = page[0].text.clone();
    sqlx::raw_sql(AssertSqlSafe(empty))
        .execute(database)
        .await
        .unwrap();
    let begun = Instant::now();
    start(depot, &[Service::Projector]).await;
    views_become_the_state(database).await;
    tell("views built again from the log", begun);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_database_was_set_back_the_views_are_what_the_state_is() {
    if is_left_out("the restore of the database") {
        return;
    }
    let postgres = OwnPostgres::start().await.unwrap();
    let urls = postgres.urls();
    let urls: Vec<_> = urls.iter().map(|(name, url)| (*name, url.as_str())).collect();
    let owner = urls
        .iter()
        .find(|(name, _)| *name == "MIGRATE_DATABASE_URL")
        .unwrap()
        .1;
    let settings: Vec<_> = urls.iter().copied().chain(SETTINGS).collect();
    let mut depot = Depot::start_with(&settings).await.unwrap();
    let database = postgres.owner_pool().await.unwrap();
    let (alice, rita) = (
        depot.client("alice", Role::Writer),
        depot.client("rita", Role::Reader),
    );
    let (kept, kept_version) = create(&alice, "kept").await;
    let kept_version = rename(&alice, &kept, &kept_version, "as it was backed up").await;
    let (deleted, deleted_version) = create(&alice, "deleted after the backup").await;
    load(&alice).await;

    // Under load, as it is done.
    let begun = Instant::now();
    let (backed_up, ()) = tokio::join!(postgres.back_up(), load(&alice));
    backed_up.unwrap();
    tell("base backup under load", begun);

    // Acknowledged, seen by everybody, and lost.
    let mut lost_version = kept_version.clone();
    for n in 0..3 {
        lost_version = rename(&alice, &kept, &lost_version, &format!("lost {n}")).await;
    }
    assert_eq!(
        alice
            .delete_item(&deleted, &deleted_version)
            .await
            .unwrap()
            .status,
        StatusCode::NO_CONTENT
    );
    let (never, _) = create(&alice, "that never was").await;
    let never_upload = alice.upload(&never, "a.bin", b"lost".to_vec()).await.unwrap();
    load(&alice).await;
    views_become_the_state(&database).await;
    reads_show(&rita, &kept, &lost_version, "lost 2").await;
    reads_as_gone(&rita, &deleted).await;

    stop(&mut depot, &Service::ALL).await;
    let begun = Instant::now();
    postgres.set_back().await.unwrap();
    tell("database set back and started", begun);
    let restored = items(&database).await;
    assert!(restored.iter().any(|(id, _)| id.to_string() == kept));
    assert!(
        restored.iter().all(|(id, _)| id.to_string() != never),
        "it was set back"
    );
    let begun = Instant::now();
    let raised = tool(&depot, owner, &["restore", "raise"], 0).await;
    let epoch = epoch(&database).await;
    assert!(epoch > 0 && raised.contains(&epoch.to_string()), "{raised}");
    start(
        &mut depot,
        &[Service::CommandApi, Service::Projector, Service::Uploader],
    )
    .await;

    // Versions are given out again, while the state is still being told: no client takes one for the other.
    let stale = alice
        .patch_item(
            &kept,
            &kept_version,
            "old",
            &serde_json::json!({"name": "by an old version"}),
        )
        .await
        .unwrap();
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{stale:?}");
    let now = stale.version().unwrap();
    assert_eq!(now, format!("{epoch}.{kept_version}"));
    let renamed = rename(&alice, &kept, &now, "after the restore").await;
    load_in(&alice).await;
    wait_long_until("the state is told", || async {
        run(&database).await["stage"] == "done"
    })
    .await;
    tell("the state is told once more, after", begun);
    views_become_the_state(&database).await;
    tell("the views are what the state is, after", begun);
    start(&mut depot, &[Service::QueryApi]).await;

    assert_eq!(
        compared::lost_history(&database, &restored).await,
        Vec::<String>::new()
    );
    reads_show(&rita, &kept, &renamed, "after the restore").await;
    reads_show(
        &rita,
        &deleted,
        &format!("{epoch}.{deleted_version}"),
        "deleted after the backup",
    )
    .await;
    reads_as_gone(&rita, &never).await;
    let upload = format!("/api/v1/uploads/{never_upload}");
    let seen = alice.send(alice.query(&upload)).await.unwrap();
    assert_eq!(seen.json()["status"], "aborted", "{seen:?}");
    // A version that went with the restore is older than what there is now.
    let path = format!("/api/v1/items/{kept}");
    let seen = rita.read_at_least(&path, &lost_version).await.unwrap();
    assert_eq!(
        (seen.status, seen.version()),
        (StatusCode::OK, Some(renamed.clone()))
    );
    let listed = rita.send(rita.query("/api/v1/items?limit=100")).await.unwrap();
    let listed = listed.json()["items"].to_string();
    assert!(!listed.contains(&never) && !listed.contains("lost 2"), "{listed}");

    let noted: Vec<String> =
        sqlx::query_scalar("SELECT id::text FROM command.lost_aggregates WHERE epoch = $1")
            .bind(epoch)
            .fetch_all(&database)
            .await
            .unwrap();
    assert!(
        noted.contains(&never) && noted.contains(&never_upload),
        "{noted:?}"
    );
    assert!(!noted.contains(&kept) && !noted.contains(&deleted), "{noted:?}");

    rebuild(&mut depot, &database).await;
    assert_eq!(
        compared::lost_history(&database, &restored).await,
        Vec::<String>::new()
    );
    reads_show(&rita, &kept, &renamed, "after the restore").await;
}

/// As `load`, of clients that take versions for what they are: opaque.
async fn load_in(client: &Client) {
    for n in 0..20 {
        let (id, version) = create(client, &format!("later {n}")).await;
        rename(client, &id, &version, &format!("later {n}, renamed")).await;
        client.upload(&id, "c.bin", vec![n; 100]).await.unwrap();
    }
}
