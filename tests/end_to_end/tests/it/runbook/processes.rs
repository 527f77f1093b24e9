//! Processes that are down, are not found, start again and again, or have no file descriptors left.

use std::time::Duration;

use depot_end_to_end::{Backing, Service, produce_raw};
use depot_schemas::Entity;
use depot_test_stack::wait_until;

use super::{
    control_group::ControlGroup,
    scene::{Scene, creating},
    table::Group,
};
use crate::long::is_left_out;

const ID: &str = "0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f";

/// A message of the uploader that the saga cannot read.
pub async fn send_what_is_no_json(scene: &Scene) {
    let headers = [
        ("ce_type", "depot.file.stored.v1"),
        ("ce_subject", ID),
        ("ce_id", ID),
        ("ce_time", "2026-01-01T00:00:00Z"),
        ("ce_aggregateversion", "1"),
        ("ce_causationid", ID),
    ];
    let topic = scene.depot.topics().events(Entity::Files);
    produce_raw(&topic, Some(ID), &headers, b"no JSON").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_and_a_message_that_nobody_can_handle_are_dealt_with_as_the_page_says() {
    let backing = Backing::create().await.unwrap();
    let mut scene = Scene::start(Group::Usual, backing, &[], &[]).await;

    let mut down = scene.begin(&["DepotProcessDown"]).await;
    scene.depot.process(Service::Projector).kill().await.unwrap();
    scene.fires(&mut down).await;
    scene.depot.process(Service::Projector).restart().unwrap();
    scene.clears(down).await;

    let mut letters = scene.begin(&["DepotDeadLettersOpen"]).await;
    send_what_is_no_json(&scene).await;
    scene.fires(&mut letters).await;
    scene.mends(&mut letters, "DepotDeadLettersOpen").await;
    scene.clears(letters).await;
    scene.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_found_starts_again_and_again_or_has_no_files_left_is_dealt_with_as_the_page_says() {
    if is_left_out("the runbook for processes") {
        return;
    }
    let backing = Backing::create().await.unwrap();
    let mut scene = Scene::start(Group::Processes, backing, &[], &[]).await;

    let mut absent = scene.begin(&["DepotServiceAbsent"]).await;
    let forgotten = scene.prometheus.forget(Service::Uploader).await.unwrap();
    scene.fires(&mut absent).await;
    scene.prometheus.remember(forgotten).await.unwrap();
    scene.clears(absent).await;

    files_near_limit(&mut scene).await;
    memory_near_limit(&mut scene).await;

    let mut restarts = scene.begin(&["DepotRestarts"]).await;
    for _ in 0..3 {
        let before = started(&scene).await;
        scene.depot.process(Service::Projector).kill().await.unwrap();
        scene.depot.process(Service::Projector).restart().unwrap();
        wait_until("its new start is scraped", || async {
            started(&scene).await > before
        })
        .await;
    }
    // As it is between two starts.
    scene.depot.process(Service::Projector).kill().await.unwrap();
    scene.fires(&mut restarts).await;
    scene.depot.process(Service::Projector).restart().unwrap();
    scene.depot.wait_ready(Service::Projector).await;
    scene.clears(restarts).await;
    scene.end();
}

async fn started(scene: &Scene) -> Option<f64> {
    let start = "process_start_time_seconds{service=\"projector\"}";
    scene.prometheus.number(start).await.unwrap()
}

/// The limit that is lowered is the one of the running process, which has the rest of its room in the hard one.
async fn files_near_limit(scene: &mut Scene) {
    let _work = creating(&scene.client("alice"), Duration::from_millis(500));
    let id = scene.depot.process(Service::Projector).id().unwrap().to_string();
    scene.environment.push(("PID".to_owned(), id.clone()));
    let mut files = scene.begin(&["DepotFilesNearLimit"]).await;
    let open = scene
        .depot
        .metric(Service::Projector, "process_open_fds")
        .await
        .unwrap();
    let limit = format!("--nofile={:.0}:", open / 0.95);
    let mut lowered = tokio::process::Command::new("prlimit");
    assert!(
        lowered
            .args(["--pid", &id, &limit])
            .status()
            .await
            .unwrap()
            .success()
    );
    scene.fires(&mut files).await;
    scene.mends(&mut files, "DepotFilesNearLimit").await;
    scene.clears(files).await;
}

/// The group is one of the running process, as a container's is, with a limit just above what the process has.
async fn memory_near_limit(scene: &mut Scene) {
    let group = match ControlGroup::create() {
        Ok(group) => group,
        Err(reason) => return scene.leave_out("DepotMemoryNearLimit", &reason),
    };
    let limit = group.limit().display().to_string();
    scene.environment.push(("LIMIT".to_owned(), limit));
    let mut memory = scene.begin(&["DepotMemoryNearLimit"]).await;
    let resident = scene
        .depot
        .metric(Service::Projector, "process_resident_memory_bytes")
        .await
        .unwrap();
    let process = scene.depot.process(Service::Projector).id().unwrap();
    group.take(process, (resident / 0.95) as u64);
    scene.fires(&mut memory).await;
    scene.mends(&mut memory, "DepotMemoryNearLimit").await;
    scene.clears(memory).await;
}
