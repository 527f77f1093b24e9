//! Uploads: announced, sent in parts, completed, given up.

use depot_proto::v1::{self, request_upload_response::Method};
use serde_json::json;
use tonic::Code;

use super::{abort, announce, by, client, complete, fields, new_item, reason, unkeyed, uuid};
use crate::{
    service::Service,
    staging::{Staging, put_signed},
};

#[tokio::test]
async fn a_file_is_announced_and_its_bytes_are_said_to_be_there() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let item = new_item(&mut client, "alice").await;
    let announced = client.request_upload(by("alice", announce(&item, 1_000)));
    let announced = announced.await.unwrap().into_inner();
    let upload = announced.upload.unwrap();
    assert_eq!(
        (
            upload.item_id.as_str(),
            upload.owner.as_str(),
            upload.version.as_str()
        ),
        (item.as_str(), "alice", "1")
    );
    assert_eq!(upload.status(), v1::UploadStatus::Pending);
    assert!(upload.expires_at.is_some());
    let Some(Method::Put(put)) = announced.method else {
        panic!("no PUT: {:?}", announced.method);
    };
    assert!(put.url.starts_with("http://store.example:9000/"), "{}", put.url);
    assert!(put.headers.contains_key("content-type"), "{:?}", put.headers);
    assert_eq!(service.quota("alice").await, (0, 1_000));

    let received = client.complete_upload(unkeyed("alice", complete(&upload.id)));
    let received = received.await.unwrap().into_inner();
    assert_eq!(
        (received.status(), received.version.as_str()),
        (v1::UploadStatus::Received, "2")
    );
    assert_eq!(
        service.kinds(uuid(&upload.id)).await,
        ["upload.requested", "upload.received"]
    );
}

#[tokio::test]
async fn an_upload_that_is_given_up_releases_its_quota_and_again_is_no_error() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let item = new_item(&mut client, "alice").await;
    let announced = client.request_upload(by("alice", announce(&item, 1_000)));
    let id = announced.await.unwrap().into_inner().upload.unwrap().id;
    for _ in 0..2 {
        let aborted = client.abort_upload(unkeyed("alice", abort(&id))).await;
        let aborted = aborted.unwrap().into_inner();
        assert_eq!(
            (aborted.status(), aborted.version.as_str()),
            (v1::UploadStatus::Aborted, "2")
        );
    }
    assert_eq!(service.quota("alice").await, (0, 0));
    let ended = client
        .complete_upload(by("alice", complete(&id)))
        .await
        .unwrap_err();
    assert_eq!(reason(&ended), (Code::FailedPrecondition, "UPLOAD_ENDED".into()));
    assert_eq!(super::figure(&ended, "upload_status"), "aborted");
    assert_eq!(super::figure(&ended, "version"), "2");
}

#[tokio::test]
async fn a_large_file_is_sent_in_parts_whose_requests_are_signed() {
    const PART: i64 = 5 * 1024 * 1024;
    let staging = Staging::new().await;
    let service = staging
        .service(&[
            ("MULTIPART_OVER_BYTES", "1000"),
            ("MULTIPART_PART_BYTES", "5242880"),
        ])
        .await;
    let mut client = client(&service).await;
    let item = new_item(&mut client, "alice").await;
    let announced = client.request_upload(by("alice", announce(&item, PART + 1_000)));
    let announced = announced.await.unwrap().into_inner();
    let id = announced.upload.unwrap().id;
    let expected = v1::PartPlan {
        part_size_bytes: PART,
        part_count: 2,
    };
    assert_eq!(announced.method, Some(Method::Parts(expected)));

    let ask = |first, count| v1::SignPartsRequest {
        upload_id: id.clone(),
        first,
        count,
        expected_version: "1".into(),
    };
    let signed = client.sign_parts(unkeyed("alice", ask(2, 1))).await;
    let signed = signed.unwrap().into_inner();
    assert!(signed.expires_at.is_some());
    let [part] = signed.parts.as_slice() else {
        panic!("one part: {:?}", signed.parts);
    };
    assert_eq!(
        (part.number, part.offset_bytes, part.size_bytes),
        (2, PART, 1_000)
    );
    let put = part.put.as_ref().unwrap();
    let put = json!({"url": put.url, "headers": put.headers});
    assert_eq!(put_signed(&put, &vec![7; 1_000]).await, 200);

    let beyond = client.sign_parts(unkeyed("alice", ask(3, 0))).await.unwrap_err();
    assert_eq!(
        reason(&beyond),
        (Code::InvalidArgument, "VALIDATION_FAILED".into())
    );
    assert_eq!(fields(&beyond), ["count", "first"]);
}

#[tokio::test]
async fn parts_of_a_file_that_is_sent_whole_are_not_signed() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let item = new_item(&mut client, "alice").await;
    let announced = client.request_upload(by("alice", announce(&item, 1_000)));
    let ask = v1::SignPartsRequest {
        upload_id: announced.await.unwrap().into_inner().upload.unwrap().id,
        first: 1,
        count: 1,
        expected_version: String::new(),
    };
    let whole = client.sign_parts(unkeyed("alice", ask)).await.unwrap_err();
    assert_eq!(
        reason(&whole),
        (Code::FailedPrecondition, "UPLOAD_NOT_IN_PARTS".into())
    );
}
