//! The end of a version of the views.

use std::time::Duration;

use depot_consumer::{BatchOutcome, OffsetSource as _};
use depot_schemas::{Entity, ItemState};
use projector::{OffsetsTable, ProjectionError, SwitchRequest, drop_rows, register, switch};

use crate::{
    events::{batch, item, items, next, upload, upload_event},
    fixture::{Fixture, PROJECTION, handle},
};

const NEW: i32 = 2;

#[tokio::test]
async fn a_dropped_version_goes_piece_by_piece_and_leaves_the_others_alone() {
    let fixture = Fixture::new().await;
    register(&fixture.pool, "root", false).await.unwrap();
    let (old, new) = (fixture.parts().projector, fixture.parts_of(NEW).projector);
    // More than a page, so that one is left after the first.
    let states: Vec<ItemState> = (0..2_100).map(|_| item("alice", &["x"])).collect();
    for (projection, projector) in [(PROJECTION, &old), (NEW, &new)] {
        for (number, page) in states.chunks(500).enumerate() {
            let from = number as i64 * 500;
            let page = items(from, &page.iter().collect::<Vec<_>>());
            fixture.apply_of(projection, projector, page).await;
        }
        let uploads = batch(Entity::Uploads, 0, 0, vec![upload_event(&upload("bob"))]);
        fixture.apply_of(projection, projector, uploads).await;
    }
    let serves = drop_rows(&fixture.pool, PROJECTION, "root", Duration::ZERO).await;
    assert!(matches!(serves, Err(ProjectionError::NotSo(_))), "{serves:?}");
    let kept = fixture.views().await;
    let kept: Vec<_> = kept
        .into_iter()
        .filter(|row| row.contains("\"projection\": 1"))
        .collect();

    let first = drop_rows(&fixture.pool, NEW, "root", Duration::ZERO)
        .await
        .unwrap();
    assert!(!first.is_done && first.rows > 0, "{first:?}");
    // From the first piece on it is not fed: no batch is stored, and nobody begins anew.
    let more = items(2_100, &[&next(&states[0], |_| ())]);
    assert_eq!(handle(&new, &more).await.unwrap(), BatchOutcome::Reload);
    let offsets = OffsetsTable::new(fixture.pool.clone(), NEW);
    assert!(offsets.load(&more.topic, 0).await.is_err());
    assert!(offsets.load(&more.topic, 5).await.is_err());
    let request = SwitchRequest {
        to: NEW,
        actor: "root",
        accept_differences: true,
        stand_still: Duration::ZERO,
    };
    let refused = switch(&fixture.pool, request).await;
    assert!(matches!(refused, Err(ProjectionError::NotSo(_))), "{refused:?}");

    // By whoever comes next.
    let mut removed = first.rows;
    loop {
        let dropped = drop_rows(&fixture.pool, NEW, "another", Duration::ZERO)
            .await
            .unwrap();
        removed += dropped.rows;
        if dropped.is_done {
            break;
        }
    }
    // Items, their history, an upload, a tag, an owner.
    assert_eq!(removed, 2_100 + 2_100 + 1 + 1 + 1);
    assert_eq!(fixture.views().await, kept);
    let again = drop_rows(&fixture.pool, NEW, "root", Duration::ZERO)
        .await
        .unwrap();
    assert_eq!((again.rows, again.is_done), (0, true));
    let registered = register(&fixture.pool, "root", false).await.unwrap();
    assert_eq!(registered.projection, 3, "a number is not given again");
}
