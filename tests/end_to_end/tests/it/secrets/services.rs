//! The services with settings of a test's own.

use std::{collections::HashMap, fs, time::Duration};

use depot_end_to_end::{Client, Folder, Service, ServiceProcess, free_ports};
use depot_proto::v1::{
    self, command_service_client::CommandServiceClient, query_service_client::QueryServiceClient,
};
use depot_service::auth::Role;
use depot_test_stack::{settings, wait_until};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use tonic::{Code, Request, Status, metadata::AsciiMetadataValue};

use super::{MARK, mint, search::Search};

/// Four services with settings of this test's own, ready or not.
pub struct Services {
    processes: Vec<ServiceProcess>,
    ports: HashMap<&'static str, u16>,
    _folder: Folder,
}

const PORTS: [&str; 8] = [
    "COMMAND_API_PORT",
    "COMMAND_API_GRPC_PORT",
    "QUERY_API_PORT",
    "QUERY_API_GRPC_PORT",
    "COMMAND_API_ADMIN_PORT",
    "QUERY_API_ADMIN_PORT",
    "PROJECTOR_ADMIN_PORT",
    "UPLOADER_ADMIN_PORT",
];

impl Services {
    pub fn start(own: &[(&str, String)]) -> Self {
        let folder = Folder::new().unwrap();
        let ports = free_ports(PORTS.into_iter()).unwrap();
        let mut environment: Vec<_> = settings()
            .all()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        environment.extend(
            ports
                .iter()
                .map(|(name, port)| ((*name).to_owned(), port.to_string())),
        );
        environment.extend(
            own.iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        environment.push(("LOG_LEVEL".into(), "debug".into()));
        // What is away is not waited for, and has nothing to end in order.
        environment.push(("DATABASE_ACQUIRE_TIMEOUT_MS".into(), "500".into()));
        environment.push(("SHUTDOWN_DEADLINE_SECONDS".into(), "5".into()));
        let processes = Service::ALL
            .into_iter()
            .map(|service| ServiceProcess::start(service, environment.clone(), &folder.0).unwrap())
            .collect();
        Self {
            processes,
            ports,
            _folder: folder,
        }
    }

    fn url(&self, port: &str) -> String {
        format!("http://127.0.0.1:{}", self.ports[port])
    }

    fn admin_urls(&self) -> impl Iterator<Item = String> {
        let admin = PORTS.iter().filter(|port| port.ends_with("_ADMIN_PORT"));
        admin.map(|port| self.url(port))
    }

    /// Asks all that can be asked, and looks through all answers, logs and the list of processes.
    pub async fn search(&self, search: &mut Search) {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        for url in self.admin_urls() {
            wait_until(&format!("{url} answers"), || async {
                http.get(format!("{url}/livez")).send().await.is_ok()
            })
            .await;
        }
        let token = mint("root", Role::Admin);
        search.also_for(token.rsplit('.').next().unwrap());
        self.ask_rest(&token, search).await;
        let bad_tokens = [
            format!("Bearer {token}x"),
            format!("Basic {MARK}"),
            format!("Bearer {MARK}.{MARK}.{MARK}"),
        ];
        for url in [
            self.url("COMMAND_API_PORT"),
            self.url("QUERY_API_PORT"),
            self.url("UPLOADER_ADMIN_PORT") + "/admin/receipts?x=",
        ] {
            for bad in &bad_tokens {
                let request = http
                    .get(format!("{url}/api/v1/items"))
                    .header("authorization", bad);
                let answer = request.send().await.unwrap().text().await.unwrap();
                search.through("an answer to a bad token", &answer);
            }
        }
        for code in self.ask_grpc(&format!("Bearer {token}"), search).await {
            assert_eq!(code, Code::Unavailable, "there is nothing to answer from");
        }
        for bad in &bad_tokens {
            for code in self.ask_grpc(bad, search).await {
                assert_eq!(code, Code::Unauthenticated);
            }
        }
        for url in self.admin_urls() {
            for path in ["/readyz", "/startupz", "/metrics"] {
                let answer = http.get(format!("{url}{path}")).send().await.unwrap();
                search.through(path, &answer.text().await.unwrap());
            }
        }
        search.through_processes();
        self.logs(search);
    }

    async fn ask_rest(&self, token: &str, search: &mut Search) {
        let client = Client::new(self.url("COMMAND_API_PORT"), self.url("QUERY_API_PORT"), token);
        let create = client.create_item("k", &json!({"name": "a"})).await.unwrap();
        search.through("POST items", &format!("{create:?}"));
        for path in [
            "/api/v1/items",
            "/api/v1/statistics",
            "/api/v1/uploads/0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f",
        ] {
            let answer = client.send(client.query(path)).await.unwrap();
            search.through(path, &format!("{answer:?}"));
        }
        for path in [
            "/api/v1/admin/outbox",
            "/api/v1/admin/sagas",
            "/api/v1/accounts/root",
        ] {
            let answer = client.send(client.command(Method::GET, path)).await.unwrap();
            search.through(path, &format!("{answer:?}"));
        }
        let sweep = client.command(Method::POST, "/api/v1/admin/sweep?dry_run=true");
        search.through("sweep", &format!("{:?}", client.send(sweep).await.unwrap()));
    }

    /// Looks through the errors that calls are answered with, messages and details; answers their codes.
    async fn ask_grpc(&self, authorization: &str, search: &mut Search) -> Vec<Code> {
        fn with<T>(message: T, authorization: &str) -> Request<T> {
            let mut request = Request::new(message);
            let value = authorization.parse().unwrap();
            request.metadata_mut().insert("authorization", value);
            let key = AsciiMetadataValue::from_static("k");
            request.metadata_mut().insert("idempotency-key", key);
            request
        }
        let url = self.url("QUERY_API_GRPC_PORT");
        let mut client = QueryServiceClient::connect(url).await.unwrap();
        let id = "0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f".to_owned();
        let item = v1::GetItemRequest {
            id: id.clone(),
            at_least: None,
        };
        let upload = v1::GetUploadRequest {
            id: id.clone(),
            at_least: None,
        };
        let list = v1::ListItemsRequest::default();
        let watch = v1::WatchItemsRequest::default();
        let url = self.url("COMMAND_API_GRPC_PORT");
        let mut commands = CommandServiceClient::connect(url).await.unwrap();
        let create = v1::CreateItemRequest {
            item: Some(v1::ItemContent {
                name: "a".into(),
                ..Default::default()
            }),
        };
        let complete = v1::CompleteUploadRequest {
            id: id.clone(),
            expected_version: String::new(),
        };
        let errors: [Status; 6] = [
            commands
                .create_item(with(create, authorization))
                .await
                .unwrap_err(),
            commands
                .complete_upload(with(complete, authorization))
                .await
                .unwrap_err(),
            client.get_item(with(item, authorization)).await.unwrap_err(),
            client.get_upload(with(upload, authorization)).await.unwrap_err(),
            client.list_items(with(list, authorization)).await.unwrap_err(),
            client.watch_items(with(watch, authorization)).await.unwrap_err(),
        ];
        for error in &errors {
            let details = String::from_utf8_lossy(error.details());
            search.through("a gRPC answer", &format!("{error:?} {details}"));
        }
        errors.iter().map(Status::code).collect()
    }

    /// Ends them all, so that they send the last of their traces, and looks through what they wrote at the end.
    pub async fn stop(&mut self, search: &mut Search) {
        for ended in join_all(self.processes.iter_mut().map(ServiceProcess::terminate)).await {
            // Whether well or with an error is not the question here.
            ended.unwrap();
        }
        self.logs(search);
    }

    fn logs(&self, search: &mut Search) {
        for process in &self.processes {
            let text = fs::read_to_string(process.log_file()).unwrap();
            assert!(!text.is_empty(), "{} is empty", process.log_file().display());
            search.through_log(&process.log_file().display().to_string(), &text);
        }
    }
}
