//! A projector that cannot store, stores slowly, or stands outside of the log.

use std::time::Duration;

use depot_end_to_end::{Backing, Service};
use depot_schemas::Entity;
use depot_test_stack::wait_until;

use super::{
    scene::{Scene, creating},
    table::Group,
};
use crate::long::is_left_out;

#[tokio::test(flavor = "multi_thread")]
async fn views_that_are_late_or_do_not_go_on_are_dealt_with_as_the_page_says() {
    if is_left_out("the runbook for views") {
        return;
    }
    let backing = Backing::create().await.unwrap();
    let given = [("PROJECTOR_DATABASE_STATEMENT_TIMEOUT_MS", "3000")];
    let mut scene = Scene::start(Group::Views, backing, &given, &[]).await;
    view_locked(&mut scene).await;
    view_slow(&mut scene).await;
    outside_of_the_log(&mut scene).await;
    scene.end();
}

async fn view_locked(scene: &mut Scene) {
    let _work = creating(&scene.client("alice"), Duration::from_millis(200));
    let mut still = scene
        .begin(&[
            "DepotConsumerLate",
            "DepotConsumerStandsStill",
            "DepotProcessingFails",
        ])
        .await;
    let held = scene.hold("LOCK TABLE read.items IN SHARE MODE").await;
    scene.fires(&mut still).await;
    scene.mends(&mut still, "DepotConsumerLate").await;
    scene.clears(still).await;
    assert!(held.rollback().await.is_err());
}

async fn view_slow(scene: &mut Scene) {
    let _work = creating(&scene.client("alice"), Duration::from_millis(200));
    let mut late = scene
        .begin(&["DepotVisibleDelayBurnsFast", "DepotVisibleDelayBurnsSlowly"])
        .await;
    scene
        .execute(
            "CREATE FUNCTION read.slow() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_sleep(1.2); RETURN NULL; END $$;
             GRANT EXECUTE ON FUNCTION read.slow() TO PUBLIC;
             CREATE TRIGGER slow BEFORE INSERT ON read.items FOR EACH STATEMENT EXECUTE FUNCTION read.slow()",
        )
        .await;
    scene.fires(&mut late).await;
    scene
        .execute("DROP TRIGGER slow ON read.items; DROP FUNCTION read.slow()")
        .await;
    scene.clears(late).await;
}

async fn outside_of_the_log(scene: &mut Scene) {
    let mut stopped = scene.begin(&["DepotPartitionStopped"]).await;
    stop_projector(scene).await;
    let items = scene.depot.topics().events(Entity::Items);
    let moved =
        format!("UPDATE read.offsets SET next_offset = next_offset + 1000000 WHERE topic = '{items}'");
    scene.execute(&moved).await;
    scene.depot.process(Service::Projector).restart().unwrap();
    scene.fires(&mut stopped).await;
    stop_projector(scene).await;
    scene.mends(&mut stopped, "DepotPartitionStopped").await;
    scene.depot.process(Service::Projector).restart().unwrap();
    scene.depot.wait_ready(Service::Projector).await;
    scene.clears(stopped).await;
    wait_until("the views have all items again", || async {
        let same = "SELECT (SELECT count(*) FROM read.items) = (SELECT count(*) FROM command.items)";
        sqlx::query_scalar(same)
            .fetch_one(&scene.depot.database)
            .await
            .unwrap()
    })
    .await;
}

async fn stop_projector(scene: &mut Scene) {
    let projector = scene.depot.process(Service::Projector);
    assert!(projector.terminate().await.unwrap());
}
