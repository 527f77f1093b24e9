use depot_end_to_end::{Depot, Service};
use depot_test_stack::wait_until;
use reqwest::StatusCode;

const NAMED_METRICS: [&str; 5] = [
    "depot_request_latency_seconds",
    "depot_requests_total",
    "depot_errors_total",
    "depot_tasks_count",
    "depot_db_conn_count",
];

#[tokio::test(flavor = "multi_thread")]
async fn all_four_admin_ports_have_probes_and_the_named_metrics() {
    let depot = Depot::start().await.unwrap();
    for service in Service::ALL {
        let get = |path: &'static str| reqwest::get(depot.admin_url(service, path));
        assert_eq!(
            get("/livez").await.unwrap().status(),
            StatusCode::OK,
            "{} lives",
            service.name()
        );
        // A member that was given more partitions since it was ready is not, for a moment.
        wait_until(&format!("{} is ready", service.name()), async || {
            get("/readyz").await.unwrap().status() == StatusCode::OK
        })
        .await;
        let metrics = get("/metrics").await.unwrap().text().await.unwrap();
        for name in NAMED_METRICS {
            assert!(
                metrics.contains(&format!("# TYPE {name} ")),
                "{} has no {name}",
                service.name()
            );
            let sample = metrics
                .lines()
                .any(|line| !line.starts_with('#') && line.starts_with(name));
            assert!(sample, "{} has no sample of {name}", service.name());
        }
    }
    for url in [depot.command_url(), depot.query_url()] {
        for path in ["/health", "/api/v1/health", "/api/v1/openapi.json"] {
            let answer = reqwest::get(format!("{url}{path}")).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{url}{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_of_containers_tells_who_is_ready_from_who_is_gone() {
    let mut depot = Depot::start().await.unwrap();
    for service in Service::ALL {
        // A member that was given more partitions since it was ready is not, for a moment.
        wait_until(&format!("{} is told to be ready", service.name()), async || {
            health_check(&depot, service).await.status.success()
        })
        .await;
    }
    depot.process(Service::Projector).kill().await.unwrap();
    let output = health_check(&depot, Service::Projector).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("no answer at 127.0.0.1:"), "{said}");
}

async fn health_check(depot: &Depot, service: Service) -> std::process::Output {
    let url = depot.admin_url(service, "");
    let (_, port) = url.rsplit_once(':').unwrap();
    depot.tool(&["healthcheck", "--port", port]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_its_settings_names_all_of_them_and_ends() {
    for service in Service::ALL {
        let environment = [("APP_ENV", "production")];
        let output = depot_end_to_end::run_program(service.name(), &environment)
            .await
            .unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let code = output.status.code();
        assert_eq!(
            code,
            Some(depot_service::REFUSED.into()),
            "{}:\n{said}",
            service.name()
        );
        assert!(said.contains("DATABASE_URL"), "{}:\n{said}", service.name());
        let other = if service == Service::QueryApi {
            "JWT_SECRET"
        } else {
            "KAFKA_BROKERS"
        };
        assert!(
            said.contains(other),
            "{} names only the first fault:\n{said}",
            service.name()
        );
    }
}
