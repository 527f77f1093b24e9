use crate::support::*;
use uuid::Uuid;
#[tokio::test(flavor = "multi_thread")]
async fn bench_drain() {
    let world = World::new().await;
    for _ in 0..20 {
        let ids: Vec<Uuid> = (0..1000).map(|_| Uuid::now_v7()).collect();
        let events = (1..=10).flat_map(|v| ids.iter().map(move |id| (*id, v)));
        let events = events.map(|(id, v)| world.event_with(id, v, vec![b'x'; 500])).collect();
        world.commit_events(events).await;
    }
    let mut o = world.options();
    o.save_interval = std::time::Duration::from_secs(1);
    o.heartbeat = std::time::Duration::from_secs(2);
    let (mut relay, handle) = world.relay(o);
    let t = std::time::Instant::now();
    drain(&mut relay).await;
    eprintln!("BENCH drained {} rows in {:?}", handle.status().rows_published, t.elapsed());
    // latency, idle
    let mut lat = vec![];
    for i in 0..50 {
        let t = std::time::Instant::now();
        world.commit(Uuid::now_v7(), [1]).await;
        let c = t.elapsed();
        let before = handle.status().rows_published;
        step_until("x", &mut relay, || handle.status().rows_published > before).await;
        if i > 5 { lat.push(t.elapsed() - c); }
    }
    lat.sort();
    eprintln!("BENCH commit->ack p50 {:?} p95 {:?}", lat[lat.len()/2], lat[lat.len()*95/100]);
}
