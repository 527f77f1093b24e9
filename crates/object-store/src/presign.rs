use std::time::Duration;

use aws_sdk_s3::{
    error::SdkError,
    presigning::{PresignedRequest, PresigningConfig},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    disposition::Disposition,
    error::{Operation, StoreError},
    store::ObjectStore,
};

/// A request that its holder may send once signed, without any other right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presigned {
    pub method: &'static str,
    pub url: String,
    /// Headers that are part of the signature: to be sent as they are.
    pub headers: Vec<(String, String)>,
}

/// What a signed upload is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadTerms {
    pub size_bytes: i64,
    pub content_type: String,
    /// The 32 bytes of the SHA-256 of the content.
    pub sha256: [u8; 32],
}

/// How a signed download is presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    pub file_name: String,
    pub content_type: String,
    pub disposition: Disposition,
}

impl ObjectStore {
    /// Signs a PUT of one object that is bound to size, type and checksum, and refuses to overwrite.
    ///
    /// Servers differ in how many of these they check; what lies there afterwards is verified in any case. The
    /// signature is computed here, without a call.
    pub async fn presign_put(
        &self,
        bucket: &str,
        key: &str,
        terms: &UploadTerms,
        valid_for: Duration,
    ) -> Result<Presigned, StoreError> {
        let operation = || Operation::new("signing a PUT", bucket, key);
        let request = self
            .signer
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_length(terms.size_bytes)
            .content_type(&terms.content_type)
            .checksum_sha256(STANDARD.encode(terms.sha256))
            .if_none_match("*")
            .presigned(expiring(valid_for, operation())?)
            .await
            .map_err(|error| StoreError::from_sdk(operation(), error))?;
        Ok(presigned("PUT", &request))
    }

    /// Signs a GET whose answer carries the type and the disposition that are given here, whatever the object's own are.
    pub async fn presign_get(
        &self,
        bucket: &str,
        key: &str,
        download: &Download,
        valid_for: Duration,
    ) -> Result<Presigned, StoreError> {
        let operation = || Operation::new("signing a GET", bucket, key);
        let request = self
            .signer
            .get_object()
            .bucket(bucket)
            .key(key)
            .response_content_type(&download.content_type)
            .response_content_disposition(download.disposition.header(&download.file_name))
            .presigned(expiring(valid_for, operation())?)
            .await
            .map_err(|error| StoreError::from_sdk(operation(), error))?;
        Ok(Presigned {
            method: "GET",
            url: request.uri().to_owned(),
            headers: Vec::new(),
        })
    }
}

/// What the holder of a signature is given.
pub(crate) fn presigned(method: &'static str, request: &PresignedRequest) -> Presigned {
    // The client's HTTP library sets the length itself; it is signed all the same.
    let headers = request
        .headers()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
    Presigned {
        method,
        url: request.uri().to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

pub(crate) fn expiring(valid_for: Duration, operation: Operation) -> Result<PresigningConfig, StoreError> {
    PresigningConfig::expires_in(valid_for).map_err(|error| {
        let error: SdkError<std::convert::Infallible> = SdkError::construction_failure(error);
        StoreError::Refused {
            operation,
            status: 0,
            code: "InvalidExpiry".to_owned(),
            source: Box::new(error),
        }
    })
}
