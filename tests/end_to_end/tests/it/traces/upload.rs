//! An upload, from the request that completes it to the item that has the file.

use std::collections::BTreeSet;

use depot_service::auth::Role;
use depot_test_stack::eventually;
use serde_json::json;

use super::{Ways, trace_of, traced, whole};

const COMPLETED: &[&str] = &[
    "command-api SERVER POST /api/v1/uploads/{id}/complete",
    "command-api CLIENT TRANSACTION command",
];
const STORED: &[&str] = &["uploader CONSUMER process {uploads}"];
const TOLD: &[&str] = &["uploader CLIENT TRANSACTION uploader"];
const SETTLED: &[&str] = &[
    "command-api CONSUMER process {files}",
    "command-api CLIENT TRANSACTION command",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_one_trace_over_the_object_store_and_the_saga() {
    let (depot, receiver) = traced(&[]).await;
    let alice = depot.client("alice", Role::Writer);
    let created = alice.create_item("k", &json!({"name": "a"})).await.unwrap();
    let item = created.text("id");
    let upload = alice.upload(&item, "a.bin", b"abc".to_vec()).await.unwrap();
    eventually("the upload is stored", || async {
        let read = alice.send(alice.query(&format!("/api/v1/uploads/{upload}")));
        (read.await.unwrap().text("status") == "stored").then_some(())
    })
    .await;

    let trace = trace_of(&receiver, "command-api", "POST /api/v1/uploads/{id}/complete").await;
    let ways = Ways::of(&depot);
    let way = |parts: &[&[&str]]| ways.way(&parts.concat());
    let hops = [
        way(&[COMPLETED, &["command-api PRODUCER send {uploads}"]]),
        way(&[
            COMPLETED,
            &[
                "projector CONSUMER process {uploads}",
                "projector CLIENT PIPELINE",
            ],
        ]),
        way(&[COMPLETED, STORED, &["uploader CLIENT S3.GetObject"]]),
        way(&[COMPLETED, STORED, &["uploader CLIENT S3.DeleteObject"]]),
        way(&[COMPLETED, STORED, TOLD, &["uploader PRODUCER send {files}"]]),
        way(&[
            COMPLETED,
            STORED,
            TOLD,
            SETTLED,
            &["command-api PRODUCER send {items}"],
        ]),
        way(&[
            COMPLETED,
            STORED,
            TOLD,
            SETTLED,
            &["command-api PRODUCER send {uploads}"],
        ]),
        way(&[
            COMPLETED,
            STORED,
            TOLD,
            SETTLED,
            &[
                "projector CONSUMER process {items}",
                "projector CLIENT TRANSACTION read",
            ],
        ]),
        way(&[
            COMPLETED,
            STORED,
            TOLD,
            SETTLED,
            &[
                "projector CONSUMER process {uploads}",
                "projector CLIENT PIPELINE",
            ],
        ]),
    ];
    let tree = whole(&receiver, &trace, &hops).await;
    let all = ["command-api", "projector", "uploader"];
    assert_eq!(tree.services(), BTreeSet::from(all));

    let read = &tree.at(&hops[2]).unwrap().span;
    assert_eq!(read.attribute("rpc.system"), "aws-api");
    assert_eq!(read.attribute("rpc.service"), "S3");
    assert_eq!(read.attribute("rpc.method"), "GetObject");
    assert_eq!(read.attribute("aws.s3.bucket"), depot.backing.staging);
    assert_eq!(read.attribute("aws.s3.key"), upload);
    let group_at = |parts: &[&[&str]]| {
        let span = &tree.at(&way(parts)).unwrap().span;
        span.attribute("messaging.consumer.group.name").to_owned()
    };
    let group = |name: &str| depot.topics().group(name);
    assert_eq!(group_at(&[COMPLETED, STORED]), group("uploader"));
    assert_eq!(group_at(&[COMPLETED, STORED, TOLD, &SETTLED[..1]]), group("saga"));
    // In the store, where that binds a copy to what was verified, or through the uploader.
    let writes = ["S3.CopyObject", "S3.PutObject", "S3.CompleteMultipartUpload"];
    let spans = tree.all().into_iter();
    let stored: Vec<_> = spans
        .filter(|span| span.service == "uploader" && writes.contains(&span.name.as_str()))
        .collect();
    assert_eq!(stored.len(), 1, "{tree}");
    assert_eq!(stored[0].attribute("aws.s3.bucket"), depot.backing.files);
}
