use crate::{events::{batch, file, item, item_event, next}, fixture::{Fixture, handle}};
use depot_schemas::Entity;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bench() {
    let fixture = std::sync::Arc::new(Fixture::new().await);
    for partitions in [1, 4] {
        let mut work = Vec::new();
        for p in 0..partitions {
            let mut batches = Vec::new();
            for b in 0..20 {
                let mut events = Vec::new();
                for n in 0..250 {
                    let tag = format!("t{}", n % 40);
                    let created = item(&format!("o{}", n % 100), &[&tag, "all"]);
                    let upd = next(&created, |i| i.files.push(file(5)));
                    events.push(item_event(&created)); events.push(item_event(&upd));
                }
                batches.push(batch(Entity::Items, partitions * 10 + p, b * 500, events));
            }
            work.push(batches);
        }
        let began = std::time::Instant::now();
        let tasks: Vec<_> = work.into_iter().map(|batches| { let fixture = fixture.clone(); tokio::spawn(async move {
            let projector = fixture.parts().projector;
            let mut worst = std::time::Duration::ZERO;
            fixture.assign(&batches[0]).await;
            for b in batches { let t = std::time::Instant::now(); while handle(&projector, &b).await.is_err() {} worst = worst.max(t.elapsed()); }
            worst
        })}).collect();
        let mut worst = std::time::Duration::ZERO;
        for t in tasks { worst = worst.max(t.await.unwrap()); }
        let n = partitions as f64 * 10_000.0;
        println!("BENCH {partitions} partitions: {:.0} events/s, worst batch {worst:?}", n / began.elapsed().as_secs_f64());
    }
    // updates of existing rows, small batches
    let projector = fixture.parts().projector;
    let mut states: Vec<_> = (0..500).map(|n| item(&format!("o{n}"), &["all"])).collect();
    let b = batch(Entity::Items, 99, 0, states.iter().map(item_event).collect());
    fixture.assign(&b).await; handle(&projector, &b).await.unwrap();
    let mut off = 500;
    for size in [1usize, 10, 100, 500] {
        let mut times = vec![];
        for _ in 0..30 { for s in states.iter_mut().take(size) { *s = next(s, |_| ()); }
            let b = batch(Entity::Items, 99, off, states[..size].iter().map(item_event).collect()); off = b.next_offset;
            let t = std::time::Instant::now(); handle(&projector, &b).await.unwrap(); times.push(t.elapsed()); }
        times.sort(); println!("BENCH batch of {size}: median {:?} p95 {:?}", times[15], times[28]);
    }
    println!("BENCH miscounted {:?}", fixture.miscounted().await);
}
