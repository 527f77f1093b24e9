//! Work that is cut off at each of its waits in turn, as a kill or a lost partition does, and begun again.

use std::{collections::BTreeSet, future::poll_fn, pin::pin, task::Poll, time::Duration};

use depot_schemas::UploadState;
use depot_test_stack::wait_until;

use crate::{
    pictures::png,
    scene::{Scene, announced},
};

/// Polls `work` at most `polls` times, then drops it.
async fn cut_off<T>(polls: usize, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut left) = (pin!(work), polls);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// Calls for the work, cut off ever later, each time with a fresh subject, until it comes through uncut.
async fn at_every_wait(mut ends_uncut: impl AsyncFnMut(usize) -> bool) {
    for polls in 1..1_000 {
        if ends_uncut(polls).await {
            // How often work waits depends on how fast the answers come; that it waits does not.
            assert!(polls > 3, "the work waits more often than {polls} times");
            return;
        }
    }
    panic!("it never came through");
}

/// After a sweep the bucket holds exactly the objects that receipts refer to. A request that was cut off here may
/// still land in the store, so it takes more than one look.
async fn assert_nothing_is_left_over(scene: &Scene) {
    wait_until("the bucket holds what is referred to", || async {
        scene.sweep(Duration::ZERO).await;
        let referred = "SELECT object_key FROM uploader.receipts WHERE object_key IS NOT NULL
                        UNION SELECT thumbnail_key FROM uploader.receipts WHERE thumbnail_key IS NOT NULL";
        let referred: Vec<String> = sqlx::query_scalar(referred)
            .fetch_all(&scene.owner)
            .await
            .unwrap();
        let referred: BTreeSet<_> = referred.into_iter().collect();
        let lying: BTreeSet<_> = scene.keys().await.into_iter().collect();
        assert!(
            referred.is_subset(&lying),
            "a reference without its object: {referred:?} {lying:?}"
        );
        referred == lying && scene.staged_keys().await.is_empty()
    })
    .await;
}

/// Contents of their own, so that each is copied, and its thumbnail too.
async fn staged_picture(scene: &Scene, seed: usize) -> UploadState {
    let content = png(u16::try_from(seed).unwrap());
    let upload = UploadState {
        content_type: "image/png".to_owned(),
        ..announced(&content)
    };
    scene.stage(&upload, &content).await;
    upload
}

async fn told_types(scene: &Scene, upload: &UploadState) -> Vec<String> {
    let told = scene.told(upload).await;
    told.iter()
        .map(|name| name.trim_start_matches("depot.file.").to_owned())
        .collect()
}

#[tokio::test]
async fn a_store_that_is_cut_off_anywhere_and_begun_again_has_its_outcome_once() {
    let scene = Scene::set().await;
    at_every_wait(async |polls| {
        let upload = staged_picture(&scene, polls).await;
        let uncut = cut_off(polls, scene.store(&upload)).await.is_some();
        scene.store(&upload).await.unwrap();
        assert_eq!(told_types(&scene, &upload).await, ["stored.v1"]);
        assert!(scene.fact(&upload).await["thumbnail"].is_object());
        uncut
    })
    .await;
    assert_nothing_is_left_over(&scene).await;
}

#[tokio::test]
async fn a_removal_that_is_cut_off_anywhere_and_begun_again_has_its_outcome_once() {
    let scene = Scene::set().await;
    at_every_wait(async |polls| {
        let upload = staged_picture(&scene, polls).await;
        scene.store(&upload).await.unwrap();
        let uncut = cut_off(polls, scene.remove(&upload)).await.is_some();
        scene.remove(&upload).await.unwrap();
        assert_eq!(told_types(&scene, &upload).await, ["stored.v1", "removed.v1"]);
        uncut
    })
    .await;
    assert_nothing_is_left_over(&scene).await;
    assert!(scene.keys().await.is_empty());
}

#[tokio::test]
async fn a_cancellation_that_meets_a_store_cut_off_anywhere_leaves_nothing() {
    let scene = Scene::set().await;
    at_every_wait(async |polls| {
        let upload = staged_picture(&scene, polls).await;
        let uncut = cut_off(polls, scene.store(&upload)).await.is_some();
        scene.remove(&upload).await.unwrap();
        scene.store(&upload).await.unwrap();
        let told = told_types(&scene, &upload).await;
        assert_eq!(told.last().map(String::as_str), Some("removed.v1"), "{told:?}");
        uncut
    })
    .await;
    assert_nothing_is_left_over(&scene).await;
    assert!(scene.keys().await.is_empty());
}
