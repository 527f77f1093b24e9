use std::time::{Duration, Instant};

use depot_end_to_end::{Depot, Service};

/// Longer than any healthy demo, and what a person is promised at most.
const MINUTE: Duration = Duration::from_secs(60);

/// Runs `depot demo` on a stack in which one part does nothing; answers what it printed.
async fn failing_demo(depot: &Depot) -> String {
    let began = Instant::now();
    let output = depot.tool(&["demo"]).await.unwrap();
    let printed = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        !output.status.success(),
        "the demo passed although a part is stopped:\n{printed}"
    );
    // A promise to people, kept by the hop's own deadline; a busy machine has three times as long.
    assert!(began.elapsed() < 3 * MINUTE, "it took {:?}", began.elapsed());
    printed
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_passes_on_a_healthy_stack_and_prints_every_hop() {
    let depot = Depot::start().await.unwrap();
    let output = depot.tool(&["demo"]).await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for hop in [
        "command accepted",
        "in Kafka",
        "in the view, over REST",
        "in the view, over gRPC",
        "in the object store",
        "its SHA-256 compared",
        "export TOKEN=",
    ] {
        assert!(printed.contains(hop), "`{hop}` is missing in:\n{printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_names_the_relay_when_nothing_is_published() {
    let depot = Depot::start_with(&[("COMMAND_API_RELAY_ENABLED", "false")])
        .await
        .unwrap();
    let printed = failing_demo(&depot).await;
    assert!(
        printed.contains("hop `item created: in Kafka` failed: is command-api's relay running?"),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_names_the_projector_and_the_uploader_when_they_are_stopped() {
    let mut depot = Depot::start().await.unwrap();
    depot.process(Service::Projector).signal("STOP").await.unwrap();
    let printed = failing_demo(&depot).await;
    assert!(
        printed.contains("over REST` failed: is projector running?"),
        "{printed}"
    );
    depot.process(Service::Projector).signal("CONT").await.unwrap();

    depot.process(Service::Uploader).kill().await.unwrap();
    let printed = failing_demo(&depot).await;
    assert!(
        printed.contains("hop `file verified and in the object store` failed: is uploader running?"),
        "{printed}"
    );
}
