//! `MINIO_ENDPOINT`, `MINIO_PUBLIC_ENDPOINT`, `MINIO_ACCESS_KEY`, `MINIO_SECRET_KEY`, `S3_BUCKET`,
//! `S3_STAGING_BUCKET`, `S3_REGION`.

use secrecy::SecretString;

use super::ConfigReader;

/// An S3-compatible store, and the identity of one service in it.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// What the services call.
    pub endpoint: String,
    /// What presigned URLs name; the same as `endpoint` when unset.
    pub public_endpoint: String,
    /// The access key id.
    pub access_key: String,
    /// The secret access key.
    pub secret_key: SecretString,
    /// The bucket of verified files.
    pub bucket: String,
    /// The bucket that clients upload into.
    pub staging_bucket: String,
    /// The region that requests are signed for.
    pub region: String,
}

impl S3Config {
    /// Reads the group.
    pub fn read(reader: &mut ConfigReader) -> Self {
        let endpoint = reader.required_url("MINIO_ENDPOINT", "http://localhost:9000");
        let public_endpoint = reader.url("MINIO_PUBLIC_ENDPOINT", &endpoint);
        Self {
            endpoint,
            public_endpoint,
            access_key: reader.required_text("MINIO_ACCESS_KEY", "depot"),
            secret_key: reader.secret("MINIO_SECRET_KEY", 8),
            bucket: reader.text("S3_BUCKET", "files"),
            staging_bucket: reader.text("S3_STAGING_BUCKET", "staging"),
            region: reader.text("S3_REGION", "us-east-1"),
        }
    }
}
