use std::{error::Error, fmt, time::Duration};

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use depot_spans::object_store;

/// What was asked of the store, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub name: &'static str,
    pub bucket: String,
    /// Empty where the whole bucket is meant.
    pub key: String,
}

impl Operation {
    pub(crate) fn new(name: &'static str, bucket: &str, key: &str) -> Self {
        Self {
            name,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}/{}", self.name, self.bucket, self.key)
    }
}

/// Why the store did not do what was asked, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object or bucket.
    #[error("{0}: there is no such object")]
    NotFound(Operation),
    /// The object is not the one that was named by its ETag, or is there already.
    #[error("{0}: the object is not the one that was named")]
    PreconditionFailed(Operation),
    /// The store is away, overloaded or full: the same call may succeed later.
    #[error("{operation}: the object store does not answer for now")]
    Transient {
        operation: Operation,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store refuses: keys, policy or the request itself. A person has to look.
    #[error("{operation}: the object store refuses ({status} {code}): check the access key and the bucket")]
    Refused {
        operation: Operation,
        status: u16,
        code: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl StoreError {
    /// True where the same call may succeed later, without anybody's hand.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }

    /// The kind of it, for the call's span: the store's own code where it gave one.
    fn error_type(&self) -> String {
        match self {
            Self::NotFound(_) => "NotFound".to_owned(),
            Self::PreconditionFailed(_) => "PreconditionFailed".to_owned(),
            Self::Transient { .. } => "Transient".to_owned(),
            Self::Refused { code, .. } => code.clone(),
        }
    }

    /// A read of `bucket`/`key` ended before its end.
    pub fn interrupted(bucket: &str, key: &str, detail: String) -> Self {
        Self::Transient {
            operation: Operation::new("GET", bucket, key),
            source: detail.into(),
        }
    }

    /// A call that was not made, for a reason that passes.
    pub fn not_called(call: &'static str, bucket: &str, key: &str, reason: &'static str) -> Self {
        Self::Transient {
            operation: Operation::new(call, bucket, key),
            source: reason.into(),
        }
    }

    pub(crate) fn timed_out(operation: Operation, after: Duration) -> Self {
        Self::Transient {
            operation,
            source: format!("no answer within {after:?}").into(),
        }
    }

    pub(crate) fn from_sdk<E>(operation: Operation, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        // The request could not even be written down: no wait mends that.
        let is_invalid = matches!(error, SdkError::ConstructionFailure(_));
        let response = error.raw_response();
        let inside = response.and_then(code_inside_success);
        let status = match inside.as_deref() {
            // What counts is the code. A success that cannot be read is none, and says nothing of what happened.
            Some("") => Some(500),
            Some(_) => Some(400),
            None => response.map(|response| response.status().as_u16()),
        };
        let code = inside.unwrap_or_else(|| error.code().unwrap_or_default().to_owned());
        match (status, code.as_str()) {
            (_, "NoSuchBucket") => Self::Refused {
                operation,
                status: status.unwrap_or_default(),
                code,
                source: Box::new(error),
            },
            (None, _) if is_invalid => Self::Refused {
                operation,
                status: 0,
                code: "InvalidRequest".to_owned(),
                source: Box::new(error),
            },
            // A full store or bucket is made room in; servers say it with 507, 403 or 400.
            (
                _,
                "QuotaExceeded"
                | "InsufficientStorage"
                | "XMinioStorageFull"
                | "XMinioAdminBucketQuotaExceeded",
            ) => Self::Transient {
                operation,
                source: Box::new(error),
            },
            (Some(404), _) | (_, "NoSuchKey" | "NoSuchUpload" | "NotFound") => Self::NotFound(operation),
            (Some(412), _) | (_, "PreconditionFailed") => Self::PreconditionFailed(operation),
            // 501 is the one fault of a server that does not pass.
            (Some(501), _) => Self::Refused {
                operation,
                status: 501,
                code,
                source: Box::new(error),
            },
            // 409: a conditional write met another one that is under way.
            (Some(409 | 429 | 500..), _)
            | (None, _)
            | (_, "SlowDown" | "InternalError" | "RequestTimeout") => Self::Transient {
                operation,
                source: Box::new(error),
            },
            (Some(status), _) => Self::Refused {
                operation,
                status,
                code,
                source: Box::new(error),
            },
        }
    }
}

/// S3 begins to answer a long copy or completion with 200 before it knows how that ends, so the error may be inside:
/// a document that the SDK cannot read as a result. Answers the error's code, which may be empty.
fn code_inside_success(response: &HttpResponse) -> Option<String> {
    if !response.status().is_success() {
        return None;
    }
    let body = String::from_utf8_lossy(response.body().bytes().unwrap_or_default());
    let code = body
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    Some(code.map(|(code, _)| code.to_owned()).unwrap_or_default())
}

/// Runs a call with a deadline, and sorts its error; `method` is S3's name of it, for the call's span in a trace.
///
/// The span ends with the head of the answer: the bytes of an object are read after it.
pub(crate) async fn within<T, E>(
    method: &'static str,
    deadline: Duration,
    operation: Operation,
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, StoreError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let span = object_store::call(method, &operation.bucket, &operation.key);
    // The SDK's futures are tens of kilobytes; nested in their callers' they would grow into the stack's size.
    let done = match tokio::time::timeout(deadline, Box::pin(call)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(StoreError::from_sdk(operation, error)),
        Err(_) => Err(StoreError::timed_out(operation, deadline)),
    };
    if let Some(span) = span {
        span.end_as(done.as_ref().err().map(StoreError::error_type));
    }
    done
}
