//! The object store, by OpenTelemetry's conventions for S3: <https://opentelemetry.io/docs/specs/semconv/object-stores/s3/>.

use opentelemetry::{
    KeyValue,
    trace::{SpanBuilder, SpanKind},
};

use crate::{context::Parent, open::OpenSpan};

/// A call in the current span; `method` is S3's name of it, such as `GetObject`. The key is empty where the whole bucket is
/// meant.
#[must_use]
pub fn call(method: &'static str, bucket: &str, key: &str) -> Option<OpenSpan> {
    let parent = Parent::current()?;
    let mut attributes = vec![
        KeyValue::new("rpc.system", "aws-api"),
        KeyValue::new("rpc.service", "S3"),
        KeyValue::new("rpc.method", method),
        KeyValue::new("aws.s3.bucket", bucket.to_owned()),
    ];
    if !key.is_empty() {
        attributes.push(KeyValue::new("aws.s3.key", key.to_owned()));
    }
    let span = SpanBuilder::from_name(format!("S3.{method}"))
        .with_kind(SpanKind::Client)
        .with_attributes(attributes);
    parent.begin(span)
}
