//! What a process tells of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use depot_service::heartbeat::{Figure, Heartbeat, Vitals};
use depot_service::process::Process;
use depot_service::shutdown::Shutdown;
use tokio::sync::Notify;

use crate::requests::{body_text, get};

const FIGURES: &[Figure] = &[
    Figure::sum("depot_heartbeat_test_total").by(&["outcome"]),
    Figure::max("depot_tasks_count"),
];

fn told(process: &Process) -> Router {
    process.heartbeat(Vitals {
        service: "tester",
        figures: FIGURES,
        settings: vec![("LANES", "2".to_owned())],
    })
}

async fn heartbeat(router: &Router) -> Heartbeat {
    let answer = get(router, "/heartbeat").await;
    assert_eq!(answer.status(), 200);
    serde_json::from_str(&body_text(answer).await).unwrap()
}

#[tokio::test]
async fn a_process_tells_who_it_is_and_the_figures_that_were_chosen() {
    let process = Process::new(Shutdown::new()).unwrap();
    process.complete();
    let router = told(&process);
    metrics_of_the_test();
    let beat = heartbeat(&router).await;
    assert_eq!(
        (beat.service.as_str(), beat.ready, beat.draining),
        ("tester", true, false)
    );
    assert!(beat.instance.starts_with("tester@"), "{beat:?}");
    assert_eq!(beat.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(beat.settings["LANES"], "2");
    let counted = beat
        .figures
        .iter()
        .find(|value| value.name == "depot_heartbeat_test_total");
    let counted = counted.unwrap();
    assert_eq!((counted.labels["outcome"].as_str(), counted.value), ("done", 3.0));
    assert!(beat.figures.iter().any(|value| value.name == "depot_tasks_count"));
    process.readiness.start_draining();
    assert!(heartbeat(&router).await.draining);
}

/// Two series of one metric, which are told as one.
fn metrics_of_the_test() {
    for (way, count) in [("a", 1), ("b", 2)] {
        metrics::counter!("depot_heartbeat_test_total", "outcome" => "done", "way" => way).increment(count);
    }
}

#[tokio::test]
async fn checks_that_do_not_answer_are_told_soon_and_are_not_begun_again() {
    let process = Process::new(Shutdown::new()).unwrap();
    process.complete();
    let (begun, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counted, waited) = (Arc::clone(&begun), Arc::clone(&answer));
    process.readiness.check("slow", move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let waited = Arc::clone(&waited);
        async move {
            waited.notified().await;
            Ok(())
        }
    });
    let router = told(&process);
    for _ in 0..3 {
        let asked = Instant::now();
        let beat = heartbeat(&router).await;
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        assert!(!beat.ready);
        assert_eq!(beat.waiting_for.last().unwrap().name, "checks");
    }
    assert_eq!(begun.load(Ordering::SeqCst), 1, "the first run is not over");
}
