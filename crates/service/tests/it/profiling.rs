//! Profiles and the list of tasks, as who asks the admin port gets them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use depot_service::config::{Environment, ProcessConfig};
use depot_service::health::{Readiness, admin_router_with};
use depot_service::metrics::Metrics;
use depot_service::process::{Process, bind};
use depot_service::profiling::{TaskList, routes};
use depot_service::shutdown::{DrainPolicy, Shutdown};
use http_body_util::BodyExt as _;
use pprof::protos::{Message as _, Profile};
use tokio::sync::{Mutex, MutexGuard};

use crate::requests::{body_text, get, header, problem};

/// A process has one profiler, and the tests of this file are one process.
async fn profiler() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::const_new(());
    ONE.lock().await
}

fn router(shutdown: &Shutdown) -> Router {
    admin_router_with(Readiness::new(), Metrics::install().unwrap(), routes(shutdown))
}

/// Uses the processor until it is told to end, by a function whose name is looked for.
struct Burner {
    stop: std::sync::Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<u64>>,
}

impl Burner {
    fn start() -> Self {
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let asked = std::sync::Arc::clone(&stop);
        let thread = std::thread::spawn(move || burn_until(&asked));
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

#[inline(never)]
fn burn_until(stop: &AtomicBool) -> u64 {
    let mut sum = 0;
    while !stop.load(Ordering::Relaxed) {
        sum = burn_a_little(sum);
    }
    sum
}

#[inline(never)]
fn burn_a_little(mut sum: u64) -> u64 {
    for number in 0..100_000_u64 {
        sum = std::hint::black_box(sum.wrapping_add(number));
    }
    sum
}

/// Asks for a profile until one shows what is looked for. A machine that is busy with other things may give the burner next to
/// nothing in a second.
async fn until_seen(path: &str, media_type: &str, is_seen: impl Fn(Bytes) -> bool) {
    let (_one, _burner) = (profiler().await, Burner::start());
    let router = router(&Shutdown::new());
    for _ in 0..60 {
        let response = get(&router, &format!("{path}?seconds=1&hz=999")).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), media_type);
        if is_seen(response.into_body().collect().await.unwrap().to_bytes()) {
            return;
        }
    }
    panic!("the function that ran was never seen");
}

#[tokio::test]
async fn a_profile_in_the_format_of_pprof_names_what_ran() {
    let is_named = |bytes| {
        let profile = Profile::decode(bytes).unwrap();
        let text = |index: i64| profile.string_table[usize::try_from(index).unwrap()].as_str();
        let kinds: Vec<_> = profile
            .sample_type
            .iter()
            .map(|kind| (text(kind.ty), text(kind.unit)))
            .collect();
        assert_eq!(kinds, [("samples", "count"), ("cpu", "nanoseconds")]);
        let mut functions = profile.function.iter();
        functions.any(|function| text(function.name).ends_with("burn_until"))
    };
    until_seen("/debug/pprof/profile", "application/octet-stream", is_named).await;
}

#[tokio::test]
async fn a_flame_graph_is_a_picture_with_names() {
    let is_named = |bytes: Bytes| {
        let picture = std::str::from_utf8(&bytes).unwrap();
        assert!(picture.contains("<svg"), "{picture}");
        picture.contains("burn_until")
    };
    until_seen("/debug/pprof/flamegraph", "image/svg+xml", is_named).await;
}

#[tokio::test]
async fn one_profile_at_a_time_and_who_goes_away_makes_room() {
    let _one = profiler().await;
    let router = router(&Shutdown::new());
    let mut first = Box::pin(get(&router, "/debug/pprof/profile?seconds=300"));
    assert!(futures::poll!(first.as_mut()).is_pending());
    let refused = get(&router, "/debug/pprof/profile?seconds=1").await;
    assert_eq!(header(&refused, "retry-after"), "1");
    let refused = problem(refused).await;
    assert_eq!(
        (refused.status, refused.type_uri.as_str()),
        (503, "/problems/overloaded")
    );
    assert!(refused.detail.as_deref().unwrap().contains("another profile"));
    drop(first);
    assert_eq!(get(&router, "/debug/pprof/profile?seconds=1").await.status(), 200);
}

/// It would keep the admin listener past its deadline otherwise, and the process would not end in order.
#[tokio::test]
async fn a_process_that_ends_does_not_wait_for_a_profile() {
    let _one = profiler().await;
    let shutdown = Shutdown::new();
    let router = router(&shutdown);
    let mut profile = Box::pin(get(&router, "/debug/pprof/profile?seconds=300"));
    assert!(futures::poll!(profile.as_mut()).is_pending());
    let policy = ProcessConfig::default().drain;
    shutdown.drain(&Readiness::new(), policy).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(100), profile).await;
    let refused = problem(answer.expect("it is waited for")).await;
    assert_eq!(
        (refused.status, refused.detail.as_deref()),
        (503, Some("The process ends."))
    );
    assert_eq!(
        get(&router, "/debug/pprof/profile?seconds=300").await.status(),
        503
    );
}

#[tokio::test]
async fn parameters_out_of_bounds_are_refused_by_name() {
    let router = router(&Shutdown::new());
    for (query, name) in [
        ("seconds=0", "seconds"),
        ("seconds=301", "seconds"),
        ("seconds=soon", "seconds"),
        ("hz=0", "hz"),
        ("hz=1001", "hz"),
        ("minutes=1", "minutes"),
    ] {
        for path in ["/debug/pprof/profile", "/debug/pprof/flamegraph"] {
            let refused = problem(get(&router, &format!("{path}?{query}")).await).await;
            assert_eq!(
                (refused.status, refused.type_uri.as_str()),
                (400, "/problems/invalid-parameter"),
                "{query}"
            );
            assert_eq!(refused.errors[0].pointer, name, "{query}");
        }
    }
}

#[tokio::test]
async fn tasks_are_told_with_name_state_and_age_the_oldest_first() {
    let shutdown = Shutdown::new();
    let (work, last) = (shutdown.token(), shutdown.last_token());
    shutdown.spawn_last("admin listener", async move { last.cancelled().await });
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    shutdown.spawn("relay", async move {
        work.cancelled().await;
        // What a drain waits for.
        released.await.unwrap();
    });
    let router = router(&shutdown);
    let list = async || -> TaskList {
        let response = get(&router, "/debug/tasks").await;
        assert_eq!(response.status(), 200);
        serde_json::from_str(&body_text(response).await).unwrap()
    };
    let states = |list: &TaskList| -> Vec<(String, String)> {
        let tasks = list.tasks.iter();
        tasks
            .map(|task| (task.name.clone(), task.state.clone()))
            .collect()
    };
    let pair = |name: &str, state: &str| (name.to_owned(), state.to_owned());

    let before = list().await;
    assert_eq!(
        states(&before),
        [pair("admin listener", "running"), pair("relay", "running")]
    );
    assert!(before.tasks[0].age_seconds >= before.tasks[1].age_seconds);
    assert!(before.alive >= 2 && before.workers >= 1, "{before:?}");

    let draining = {
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            let policy = DrainPolicy {
                notice: Duration::ZERO,
                deadline: Duration::from_secs(600),
            };
            shutdown.drain(&Readiness::new(), policy).await
        })
    };
    while !shutdown.token().is_cancelled() {
        tokio::task::yield_now().await;
    }
    let during = list().await;
    assert_eq!(
        states(&during),
        [pair("admin listener", "running"), pair("relay", "stopping")]
    );
    assert!(during.tasks[1].age_seconds >= before.tasks[1].age_seconds);

    release.send(()).unwrap();
    draining.await.unwrap().unwrap();
    assert!(list().await.tasks.is_empty());
}

#[tokio::test]
async fn without_the_setting_nothing_is_there() {
    for (is_on, status) in [(true, "200"), (false, "404")] {
        let process = Process::new(Shutdown::new()).unwrap();
        let config = ProcessConfig {
            profiling: is_on,
            ..ProcessConfig::default()
        };
        let admin = bind(config.bind, config.admin_port).await.unwrap();
        let address = admin.local_addr().unwrap();
        process.serve_admin(&config, admin);
        for path in ["/debug/tasks", "/livez"] {
            let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
            let expected = if path == "/livez" { "200" } else { status };
            assert_eq!(answer.status().as_str(), expected, "{path}");
        }
        process.shutdown.request();
        process.run_until_stopped(config.drain).await.unwrap();
    }
}

#[test]
fn in_production_it_is_off_unless_asked_for() {
    let read = |pairs: &[(&str, &str)]| {
        let environment = Environment::from_pairs("COMMAND_API", pairs.iter().copied());
        let mut reader = depot_service::config::ConfigReader::new(environment);
        ProcessConfig::read(&mut reader, 9180).profiling
    };
    assert!(read(&[]));
    assert!(read(&[("APP_ENV", "test")]));
    assert!(!read(&[("APP_ENV", "production")]));
    assert!(read(&[("APP_ENV", "production"), ("PROFILING", "true")]));
    assert!(!read(&[("COMMAND_API_PROFILING", "false")]));
}
