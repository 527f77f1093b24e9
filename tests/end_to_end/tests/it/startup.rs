//! The four programs on installations that are not as they need them.

use depot_end_to_end::{Backing, OwnKafka, Service, ServiceProcess, free_ports, run_program};
use depot_schemas::topics::Topics;
use depot_service::REFUSED;
use depot_test_stack::{ServiceRole, unique_name, wait_until};
use reqwest::StatusCode;
use sqlx::{AssertSqlSafe, PgPool};

const SCHEMAS: [&str; 3] = ["command", "uploader", "read"];

async fn run(owner: &PgPool, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(owner)
        .await
        .unwrap();
}

fn role(service: Service) -> ServiceRole {
    match service {
        Service::CommandApi => ServiceRole::Command,
        Service::QueryApi => ServiceRole::Query,
        Service::Projector => ServiceRole::Projector,
        Service::Uploader => ServiceRole::Uploader,
    }
}

/// What a service of these backing services is told, with ports that the system chooses.
fn environment(backing: &Backing, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut environment = backing.environment();
    let ports = ["PORT", "GRPC_PORT", "ADMIN_PORT"];
    let all_services = Service::ALL.map(Service::prefix);
    for (prefix, port) in all_services
        .iter()
        .flat_map(|prefix| ports.map(|port| (prefix, port)))
    {
        environment.push((format!("{prefix}_{port}"), "0".to_owned()));
    }
    environment.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    environment
}

/// Runs a service to its end, which has to be a refusal; answers what it said.
async fn refusal(service: Service, environment: &[(String, String)]) -> String {
    let pairs: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let output = run_program(service.name(), &pairs).await.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let all = format!("{}{stderr}", String::from_utf8_lossy(&output.stdout));
    let code = output.status.code();
    assert_eq!(code, Some(REFUSED.into()), "{}:\n{all}", service.name());
    stderr
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_on_a_wrong_installation_names_all_of_it_with_the_mend_and_ends() {
    let backing = Backing::create().await.unwrap();
    let owner = backing.database.owner_pool().await;
    for schema in SCHEMAS {
        let contract = format!(
            "INSERT INTO {schema}._sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (7001, 'contract 7000 drop the old column', true, '\\x01', 0)"
        );
        run(&owner, contract).await;
    }
    for service in Service::ALL {
        let by_owner = format!("{}_DATABASE_URL", service.prefix());
        let owner_url = backing.database.owner_url();
        let more = [(by_owner.as_str(), owner_url.as_str()), ("TOPIC_PARTITIONS", "7")];
        let said = refusal(service, &environment(&backing, &more)).await;
        let role = role(service);
        let mut expected = vec![
            "Error: the installation has ".to_owned(),
            format!("schema {}: was contracted by migration 7001", role.schema()),
            "start a newer version".to_owned(),
            format!("name {} in {by_owner}", role.name()),
        ];
        if service != Service::QueryApi {
            expected.push("partitions instead of 7; set TOPIC_PARTITIONS=3".to_owned());
        }
        for words in expected {
            assert!(said.contains(&words), "{}: {words}\nin\n{said}", service.name());
        }
        assert_eq!(
            said.matches("the installation has").count(),
            1,
            "said once:\n{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_gives_up_waiting_for_steps_that_nobody_runs() {
    let backing = Backing::create().await.unwrap();
    let owner = backing.database.owner_pool().await;
    for schema in SCHEMAS {
        run(
            &owner,
            format!("ALTER TABLE {schema}._sqlx_migrations RENAME TO elsewhere"),
        )
        .await;
    }
    let nowhere = unique_name();
    for service in Service::ALL {
        let more = [("TOPIC_PREFIX", nowhere.as_str()), ("STARTUP_WAIT_SECONDS", "1")];
        let said = refusal(service, &environment(&backing, &more)).await;
        let schema = format!(
            "schema {}: is not there; run `depot migrate`",
            role(service).schema()
        );
        assert!(said.contains(&schema), "{}:\n{said}", service.name());
        let topic = format!("topic {nowhere}.items.v1: is not there; run `depot topics`");
        let uses_it = matches!(service, Service::CommandApi | Service::Projector);
        assert_eq!(said.contains(&topic), uses_it, "{}:\n{said}", service.name());
    }
}

/// As where everything is applied at once: the programs are there before the schema and the topics.
#[tokio::test(flavor = "multi_thread")]
async fn services_that_come_before_schema_and_topics_wait_for_them_and_need_no_restart() {
    let backing = Backing::create().await.unwrap();
    let owner = backing.database.owner_pool().await;
    for schema in SCHEMAS {
        run(&owner, format!("DROP SCHEMA {schema} CASCADE")).await;
    }
    let prefix = unique_name();
    let names = Service::ALL.map(|service| format!("{}_ADMIN_PORT", service.prefix()));
    let logs = std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/end-to-end"))
        .join(&prefix);
    std::fs::create_dir_all(&logs).unwrap();
    let ports = free_ports(
        [
            "COMMAND_API_ADMIN_PORT",
            "QUERY_API_ADMIN_PORT",
            "PROJECTOR_ADMIN_PORT",
            "UPLOADER_ADMIN_PORT",
        ]
        .into_iter(),
    )
    .unwrap();
    let mut environment = environment(&backing, &[("TOPIC_PREFIX", prefix.as_str())]);
    environment.extend(
        ports
            .iter()
            .map(|(name, port)| ((*name).to_owned(), port.to_string())),
    );
    let mut processes: Vec<ServiceProcess> = Service::ALL
        .into_iter()
        .map(|service| ServiceProcess::start(service, environment.clone(), &logs).unwrap())
        .collect();
    let probe = async |port: u16, path: &str| {
        let answer = reqwest::get(format!("http://127.0.0.1:{port}{path}"))
            .await
            .ok()?;
        Some((answer.status(), answer.text().await.unwrap()))
    };
    for name in &names {
        let port = ports[name.as_str()];
        wait_until(&format!("{name} says what it waits for"), || async {
            let Some((status, said)) = probe(port, "/readyz").await else {
                return false;
            };
            let is_said = said.contains("is not there; run `depot migrate`");
            status == StatusCode::SERVICE_UNAVAILABLE && is_said
        })
        .await;
        let (startup, _) = probe(port, "/startupz").await.unwrap();
        assert_eq!(startup, StatusCode::SERVICE_UNAVAILABLE, "{name}");
        assert_eq!(probe(port, "/livez").await.unwrap().0, StatusCode::OK, "{name}");
    }
    let pairs: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let owner_url = backing.database.owner_url();
    let with_owner = [&pairs[..], &[("MIGRATE_DATABASE_URL", owner_url.as_str())]].concat();
    for step in ["migrate", "topics"] {
        let done = run_tool(step, &with_owner).await;
        assert!(done.status.success(), "depot {step}: {done:?}");
    }
    for (name, process) in names.iter().zip(&mut processes) {
        let port = ports[name.as_str()];
        wait_until(&format!("{name} is ready"), || async {
            probe(port, "/readyz")
                .await
                .is_some_and(|(status, _)| status == StatusCode::OK)
        })
        .await;
        let ended_in_order = process.terminate().await.unwrap();
        let said = std::fs::read_to_string(process.log_file()).unwrap();
        assert!(ended_in_order, "{name}:\n{said}");
    }
    delete_topics(&prefix).await;
}

/// It has the requests of KIP-848 and answers none of them: only the group itself finds out.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_told_not_to_serve_groups_ends_the_consumer_with_what_to_set() {
    let kafka = OwnKafka::start_with("group.coordinator.rebalance.protocols=classic")
        .await
        .unwrap();
    let backing = Backing::create_on_brokers(kafka.gate.address()).await.unwrap();
    let environment = environment(&backing, &[]);
    let pairs: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let output = run_program("projector", &pairs).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("group.coordinator.rebalance.protocols"), "{said}");
}

async fn run_tool(step: &str, environment: &[(&str, &str)]) -> std::process::Output {
    tokio::process::Command::new(depot_end_to_end::built_program("depot").unwrap())
        .arg(step)
        .env_clear()
        .envs(environment.iter().copied())
        .current_dir(std::env::temp_dir())
        .output()
        .await
        .unwrap()
}

async fn delete_topics(prefix: &str) {
    use rdkafka::{
        ClientConfig,
        admin::{AdminClient, AdminOptions},
        client::DefaultClientContext,
    };
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", depot_test_stack::settings().kafka_brokers())
        .create()
        .unwrap();
    let names: Vec<String> = Topics::new(prefix)
        .declared()
        .into_iter()
        .map(|spec| spec.name)
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // What is left behind only takes space.
    if let Err(error) = admin.delete_topics(&names, &AdminOptions::new()).await {
        eprintln!("topics of {prefix} are left behind: {error}");
    }
}
