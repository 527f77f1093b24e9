//! Profiles, as the tool reads them that people look at them with.

use std::path::Path;

use depot_end_to_end::{Depot, Service};
use reqwest::StatusCode;
use tokio::process::Command;

/// What `go tool pprof` makes of a profile that was saved to a file.
async fn top(profile: &Path) -> String {
    let output = Command::new("go")
        .args(["tool", "pprof", "-top", "-nodecount=400"])
        .arg(profile)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

async fn saved(depot: &Depot, service: Service, path: &str, name: &str) -> std::path::PathBuf {
    let answer = reqwest::get(depot.admin_url(service, path)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    let logs = depot.logs();
    let file = logs[0].parent().unwrap().join(name);
    tokio::fs::write(&file, answer.bytes().await.unwrap())
        .await
        .unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_of_processor_and_heap_are_read_by_the_usual_tool() {
    // One allocation of 4 KiB instead of one of 512: a service that rests holds little.
    let depot = Depot::start_with(&[("_RJEM_MALLOC_CONF", "prof:true,lg_prof_sample:12")])
        .await
        .unwrap();

    let cpu = saved(
        &depot,
        Service::CommandApi,
        "/debug/pprof/profile?seconds=2&hz=999",
        "cpu.pb",
    )
    .await;
    let text = top(&cpu).await;
    println!("{text}");
    assert!(text.contains("Type: cpu"), "{text}");

    for service in Service::ALL {
        let name = format!("{}-heap.pb.gz", service.name());
        let heap = saved(&depot, service, "/debug/pprof/heap", &name).await;
        let text = top(&heap).await;
        println!(
            "{}: {}",
            service.name(),
            text.lines().take(12).collect::<Vec<_>>().join("\n")
        );
        assert!(text.contains("Type: inuse_space"), "{text}");
        // Whoever holds it has a name, and everything of a service hangs under the runtime's.
        assert!(text.contains("tokio::runtime"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heap_that_is_not_sampled_is_told_with_what_to_do() {
    let depot = Depot::start().await.unwrap();
    let answer = reqwest::get(depot.admin_url(Service::Projector, "/debug/pprof/heap"))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let problem = answer.text().await.unwrap();
    assert!(problem.contains("_RJEM_MALLOC_CONF=prof:true"), "{problem}");
}
