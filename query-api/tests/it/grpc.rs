//! The questions over gRPC.

mod answers;
mod open;
mod refusals;
mod uploads;
mod waiting;

use depot_proto::v1;
use depot_service::auth::Role;
use tonic::{Code, Request, Status, transport::Channel};
use tonic_types::StatusExt;

use crate::harness::{Harness, token};

/// A channel to the service.
pub async fn channel(harness: &Harness) -> Channel {
    Channel::from_shared(format!("http://{}", harness.grpc))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

/// A request with a token.
pub fn by<T>(subject: &str, roles: &[Role], message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {}", token(subject, roles)).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

pub fn by_reader<T>(message: T) -> Request<T> {
    by("reader", &[Role::Reader], message)
}

fn no_wait(version: &str) -> Option<v1::AtLeast> {
    Some(v1::AtLeast {
        min_version: version.into(),
        wait: Some(prost_types::Duration::default()),
    })
}

/// Code and reason; the domain is always ours.
pub fn reason(status: &Status) -> (Code, String) {
    let info = status
        .get_details_error_info()
        .unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "depot");
    (status.code(), info.reason)
}
