//! What is measured does not grow with what is stored: no id, name, key, owner or text of a stranger is a label's value.

use std::collections::BTreeMap;

use depot_end_to_end::{Client, Depot, Service, produce_raw};
use depot_proto::v1::{
    self, command_service_client::CommandServiceClient, query_service_client::QueryServiceClient,
};
use depot_schemas::Entity;
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tonic::{Code, Request, transport::Endpoint};
use uuid::Uuid;

/// In every name that this test makes up: it is in no label, whoever else may be.
const MARK: &str = "qzx7";
/// Ids of each kind in one load.
const IDS: usize = 12;
/// A load in which something happens for the first time, such as a time-out or a rebalance, begins its series. One that makes
/// series by its ids makes some each time.
const LOADS: usize = 6;

/// How many series each service has of each metric.
type Series = BTreeMap<(&'static str, String), usize>;

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_series_does_not_grow_with_the_number_of_ids() {
    let depot = Depot::start().await.unwrap();
    load(&depot, 0).await;
    let mut before = series(&depot).await;
    let mut made = Vec::new();
    for number in 1..LOADS {
        load(&depot, number).await;
        let after = series(&depot).await;
        made = grown(&before, &after);
        if made.is_empty() {
            return;
        }
        before = after;
    }
    panic!("each of {LOADS} loads made series, the last one these: {made:#?}");
}

fn grown(before: &Series, after: &Series) -> Vec<String> {
    let grown = after.iter().filter_map(|(metric, count)| {
        let was = before.get(metric).copied().unwrap_or_default();
        (*count > was).then(|| format!("{} {}: {was}, then {count}", metric.0, metric.1))
    });
    grown.collect()
}

/// Of all four services, each with its samples.
async fn series(depot: &Depot) -> Series {
    let mut series = Series::new();
    for service in Service::ALL {
        let answer = reqwest::get(depot.admin_url(service, "/metrics")).await.unwrap();
        let text = answer.text().await.unwrap();
        assert!(!text.contains(MARK), "{}: {text}", service.name());
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            if !name.is_empty() {
                *series.entry((service.name(), name.to_owned())).or_default() += 1;
            }
        }
    }
    assert!(series.len() > 100, "as many as the documents list: {series:?}");
    series
}

/// Uses everything that has a name or an id, each time with others.
async fn load(depot: &Depot, number: usize) {
    let letters = depot
        .metric(Service::CommandApi, "depot_dead_letters_open{group=\"other\"")
        .await
        .unwrap_or_default();
    let mut uploads = Vec::new();
    for index in 0..IDS {
        let subject = format!("{MARK}-{number}-{index}");
        let client = depot.client(&subject, Role::Writer);
        uploads.push((client.clone(), write_and_read(depot, &client, &subject).await));
        be_a_stranger(depot, &client, &subject).await;
        write_odd_letters(depot, &subject, index).await;
    }
    for (client, upload) in uploads {
        let stored = client
            .read_at_least(&format!("/api/v1/uploads/{upload}"), "3")
            .await
            .unwrap();
        assert_eq!(stored.text("status"), "stored", "{stored:?}");
    }
    wait_until("the odd letters are counted together", || async {
        let counted = depot.metric(Service::CommandApi, "depot_dead_letters_open{group=\"other\"");
        // One for each topic of dead letters.
        counted.await.unwrap_or_default() == letters + (3 * IDS) as f64
    })
    .await;
}

/// As any client does. Answers the id of an upload that is on its way.
async fn write_and_read(depot: &Depot, client: &Client, subject: &str) -> String {
    let body = json!({"name": subject, "tags": [subject], "attributes": {subject: subject}});
    let created = client.create_item(subject, &body).await.unwrap();
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let item = created.text("id");
    let patched = client
        .patch_item(
            &item,
            "1",
            &format!("{subject}-patch"),
            &json!({"description": subject}),
        )
        .await
        .unwrap();
    assert_eq!(patched.status, StatusCode::OK, "{patched:?}");
    let path = format!("/api/v1/items/{item}");
    let read = client.read_at_least(&path, "2").await.unwrap();
    assert_eq!(read.status, StatusCode::OK, "{read:?}");
    let mut grpc = QueryServiceClient::connect(depot.grpc_url()).await.unwrap();
    let mut request = Request::new(v1::GetItemRequest {
        id: item.clone(),
        at_least: None,
    });
    let token = format!("Bearer {}", depot.token(subject, Role::Reader));
    request
        .metadata_mut()
        .insert("authorization", token.parse().unwrap());
    assert_eq!(grpc.get_item(request).await.unwrap().into_inner().name, subject);
    write_over_grpc(depot, subject, &item).await;
    for path in [
        format!("{path}/history"),
        format!("/api/v1/items?tag={subject}&q={subject}&owner={subject}"),
        format!("/api/v1/items?limit=1&cursor={subject}"),
    ] {
        client.send(client.query(&path)).await.unwrap();
    }
    let account = client.command(Method::GET, &format!("/api/v1/accounts/{subject}"));
    client.send(account).await.unwrap();
    client
        .upload(&item, &format!("{subject}.bin"), subject.as_bytes().to_vec())
        .await
        .unwrap()
}

/// Commands that are done and refused, with the subject wherever a client can write something.
async fn write_over_grpc(depot: &Depot, subject: &str, item: &str) {
    let mut client = CommandServiceClient::connect(depot.command_grpc_url())
        .await
        .unwrap();
    let token = format!("Bearer {}", depot.token(subject, Role::Writer));
    let mut patch = async |id: &str, expected_version: &str| {
        let mut request = Request::new(v1::PatchItemRequest {
            id: id.to_owned(),
            item: Some(v1::ItemContent {
                description: format!("{subject} by gRPC"),
                ..Default::default()
            }),
            update_mask: None,
            expected_version: expected_version.to_owned(),
        });
        let metadata = request.metadata_mut();
        metadata.insert("authorization", token.parse().unwrap());
        let key = format!("{subject}-{id}-{expected_version}");
        metadata.insert("idempotency-key", key.parse().unwrap());
        client.patch_item(request).await.map(drop)
    };
    patch(item, "2").await.unwrap();
    assert_eq!(patch(item, "1").await.unwrap_err().code(), Code::Aborted);
    assert_eq!(
        patch(subject, "1").await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

/// As scanners and mistaken clients do: on the public ports, over gRPC, and on the admin ports.
async fn be_a_stranger(depot: &Depot, client: &Client, subject: &str) {
    let http = reqwest::Client::new();
    let brew = Method::from_bytes(format!("BREW{}", subject.replace('-', "")).as_bytes()).unwrap();
    let admin = Service::ALL.map(|service| depot.admin_url(service, ""));
    let public = [depot.command_url(), depot.query_url()];
    for url in public.iter().chain(&admin) {
        for path in [
            format!("/{subject}"),
            format!("/api/v1/{subject}?{subject}={subject}"),
        ] {
            http.get(format!("{url}{path}")).send().await.unwrap();
        }
        for path in ["/livez", "/api/v1/items", "/health"] {
            let request = http.request(brew.clone(), format!("{url}{path}"));
            request.send().await.unwrap();
            let request = http.delete(format!("{url}{path}"));
            request.bearer_auth(subject).send().await.unwrap();
        }
    }
    let unknown = Uuid::now_v7();
    for path in [
        format!("/api/v1/items/{unknown}"),
        format!("/api/v1/items/{subject}"),
        format!("/api/v1/uploads/{unknown}"),
    ] {
        client.send(client.query(&path)).await.unwrap();
        let delete = client.command(Method::DELETE, &path).header("If-Match", "\"1\"");
        client.send(delete).await.unwrap();
    }
    // A method that there is not.
    for url in [depot.grpc_url(), depot.command_grpc_url()] {
        let channel = Endpoint::from_shared(url.clone()).unwrap().connect().await;
        let origin = format!("{url}/{subject}").parse().unwrap();
        let mut grpc = QueryServiceClient::with_origin(channel.unwrap(), origin);
        let refused = grpc.get_item(v1::GetItemRequest::default()).await;
        assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
    }
}

/// Whoever may write to these topics can have a letter say anything of where it is from.
async fn write_odd_letters(depot: &Depot, subject: &str, index: usize) {
    let offset = format!("\0\0\0\0\0\0\0{}", char::from(u8::try_from(index).unwrap()));
    let (group, source) = (format!("group-{subject}"), format!("source-{subject}"));
    let (class, header) = (format!("class-{subject}"), format!("header-{subject}"));
    for entity in Entity::ALL {
        let source = format!("{source}-{}", entity.as_str());
        let headers = [
            ("kafka_dlt-original-topic", source.as_str()),
            ("kafka_dlt-original-partition", "\0\0\0\0"),
            ("kafka_dlt-original-offset", offset.as_str()),
            ("kafka_dlt-original-consumer-group", group.as_str()),
            ("kafka_dlt-exception-fqcn", class.as_str()),
            ("kafka_dlt-exception-message", subject),
            (header.as_str(), subject),
        ];
        let topic = depot.topics().dead_letters(entity);
        produce_raw(&topic, Some(subject), &headers, subject.as_bytes())
            .await
            .unwrap();
    }
}
