//! Sagas, sweeps, and letters that nobody has looked at.

use depot_end_to_end::{Backing, Service};
use depot_test_stack::wait_until;
use serde_json::json;
use uuid::Uuid;

use super::{processes::send_what_is_no_json, scene::Scene, table::Group};
use crate::{long::is_left_out, verify};

/// Uploads whose deadlines pass one after the other: each that fails is due again half a minute later.
const OVERDUE: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn sagas_and_sweeps_that_need_a_person_are_dealt_with_as_the_page_says() {
    if is_left_out("the runbook for sagas and sweeps") {
        return;
    }
    let backing = Backing::create().await.unwrap();
    let given = [
        ("SAGA_SWEEP_INTERVAL_SECONDS", "1"),
        ("SWEEP_INTERVAL_SECONDS", "1"),
    ];
    let mut scene = Scene::start(Group::Sagas, backing, &given, &[]).await;
    old_letters(&mut scene).await;
    stuck(&mut scene).await;
    deadlines_fail(&mut scene).await;
    deadlines_missed(&mut scene).await;
    sweep_fails(&mut scene).await;
    sweep_left(&mut scene).await;
    scene.end();
}

async fn old_letters(scene: &mut Scene) {
    let mut old = scene.begin(&["DepotDeadLettersOld"]).await;
    send_what_is_no_json(scene).await;
    wait_until("its letter can be dated back", || async {
        let dated = "UPDATE command.dead_letters
                     SET failed_at = failed_at - interval '2 days', first_failed_at = failed_at - interval '2 days'";
        let done = sqlx::query(dated).execute(&scene.depot.database).await.unwrap();
        done.rows_affected() == 1
    })
    .await;
    scene.fires(&mut old).await;
    scene.mends(&mut old, "DepotDeadLettersOld").await;
    scene.clears(old).await;
}

async fn announce(scene: &Scene) -> String {
    let alice = scene.client("alice");
    let item = alice
        .create_item(&Uuid::now_v7().to_string(), &json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");
    let announced = alice.request_upload(&item, "a.bin", 5, &"ab".repeat(32)).await;
    announced.unwrap().text("id")
}

async fn state_of(scene: &Scene, upload: &str) -> Option<String> {
    sqlx::query_scalar("SELECT state FROM command.sagas WHERE saga = 'upload' AND saga_id = $1::uuid")
        .bind(upload)
        .fetch_optional(&scene.depot.database)
        .await
        .unwrap()
}

async fn stuck(scene: &mut Scene) {
    let upload = announce(scene).await;
    scene.client("alice").abort_upload(&upload).await.unwrap();
    // What the uploader answers would end it once more.
    wait_until("the uploader has heard of it", || async {
        let receipts = "SELECT count(*) FROM uploader.receipts WHERE upload_id = $1::uuid";
        let receipts: i64 = sqlx::query_scalar(receipts)
            .bind(&upload)
            .fetch_one(&scene.depot.database)
            .await
            .unwrap();
        receipts == 1
    })
    .await;
    verify::quiet(&scene.depot).await;
    wait_until("all groups have read all that there is", || async {
        let behind = ["doctor", "--part", "lag", "--patience", "0"];
        scene.depot.tool(&behind).await.unwrap().status.success()
    })
    .await;
    assert_eq!(state_of(scene, &upload).await.as_deref(), Some("compensated"));
    let mut stuck = scene.begin(&["DepotSagasStuck"]).await;
    scene
        .execute(&format!(
            "UPDATE command.sagas SET state = 'stuck', step = 'removing' WHERE saga = 'upload' AND saga_id = '{upload}'"
        ))
        .await;
    scene.fires(&mut stuck).await;
    scene.mends(&mut stuck, "DepotSagasStuck").await;
    scene.clears(stuck).await;
    assert_eq!(state_of(scene, &upload).await.as_deref(), Some("compensated"));
}

async fn deadlines_fail(scene: &mut Scene) {
    let mut uploads = Vec::new();
    for _ in 0..OVERDUE {
        uploads.push(announce(scene).await);
    }
    let mut failing = scene.begin(&["DepotSagaDeadlinesFail"]).await;
    scene
        .execute("ALTER TABLE command.uploads ADD CONSTRAINT unchangeable CHECK (false) NOT VALID")
        .await;
    for (place, upload) in uploads.iter().enumerate() {
        let due = format!(
            "UPDATE command.sagas SET deadline = now() + interval '{} s' WHERE saga = 'upload' AND saga_id = '{upload}'",
            3 * place
        );
        scene.execute(&due).await;
    }
    scene.fires(&mut failing).await;
    scene
        .execute("ALTER TABLE command.uploads DROP CONSTRAINT unchangeable")
        .await;
    scene.clears(failing).await;
    for upload in &uploads {
        wait_until("it has expired after all", || async {
            state_of(scene, upload).await.as_deref() == Some("compensated")
        })
        .await;
    }
}

async fn deadlines_missed(scene: &mut Scene) {
    let upload = announce(scene).await;
    let mut missed = scene.begin(&["DepotSagaDeadlinesMissed"]).await;
    run_sagas(scene, "false").await;
    scene
        .execute(&format!(
            "UPDATE command.sagas SET deadline = now() - interval '1 day' WHERE saga = 'upload' AND saga_id = '{upload}'"
        ))
        .await;
    scene.fires(&mut missed).await;
    run_sagas(scene, "true").await;
    scene.clears(missed).await;
    assert_eq!(state_of(scene, &upload).await.as_deref(), Some("compensated"));
}

async fn run_sagas(scene: &mut Scene, enabled: &str) {
    let command_api = scene.depot.process(Service::CommandApi);
    command_api.set("SAGA_ENABLED", enabled);
    assert!(command_api.terminate().await.unwrap());
    command_api.restart().unwrap();
    scene.depot.wait_ready(Service::CommandApi).await;
}

async fn sweep_fails(scene: &mut Scene) {
    let mut failing = scene.begin(&["DepotSweepFails"]).await;
    scene.depot.process(Service::Uploader).kill().await.unwrap();
    scene.fires(&mut failing).await;
    scene.depot.process(Service::Uploader).restart().unwrap();
    scene.depot.wait_ready(Service::Uploader).await;
    scene.mends(&mut failing, "DepotSweepFails").await;
    scene.clears(failing).await;
}

/// Nothing is under way, so that what lies in staging may count at once.
async fn sweep_left(scene: &mut Scene) {
    let mut left = scene.begin(&["DepotSweepLeft"]).await;
    let (backing, key) = (&scene.depot.backing, Uuid::now_v7().to_string());
    backing
        .store
        .put(&backing.staging, &key, b"x".to_vec())
        .await
        .unwrap();
    grace(scene, "0").await;
    scene.fires(&mut left).await;
    scene.mends(&mut left, "DepotSweepLeft").await;
    scene.clears(left).await;
}

/// Of command-api's sweep, by which it also asks the uploader.
async fn grace(scene: &mut Scene, seconds: &str) {
    for service in [Service::Uploader, Service::CommandApi] {
        let process = scene.depot.process(service);
        process.set("SAGA_SWEEP_GRACE_SECONDS", seconds);
        process.set("SWEEP_GRACE_SECONDS", seconds);
        assert!(process.terminate().await.unwrap());
        process.restart().unwrap();
        scene.depot.wait_ready(service).await;
    }
}
