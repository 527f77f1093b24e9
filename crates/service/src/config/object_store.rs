//! `MINIO_ENDPOINT`, `MINIO_PUBLIC_ENDPOINT`, `MINIO_ACCESS_KEY`, `MINIO_SECRET_KEY`, `S3_BUCKET`,
//! `S3_STAGING_BUCKET`, `S3_REGION`, `MINIO_CA_FILE`.

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
    /// Authorities (PEM) that are trusted instead of the system's, for an `https` endpoint.
    pub authorities: Option<Vec<u8>>,
}

impl S3Config {
    /// Reads the group.
    pub fn read(reader: &mut ConfigReader) -> Self {
        let endpoint = reader.required_url("MINIO_ENDPOINT", "http://localhost:9000");
        let public_endpoint = reader.url("MINIO_PUBLIC_ENDPOINT", &endpoint);
        let ca_file = reader.optional_pem_file("MINIO_CA_FILE");
        if ca_file.is_some() && endpoint.starts_with("http://") {
            reader.fault(
                "MINIO_ENDPOINT",
                "is without TLS, though MINIO_CA_FILE is set",
                "set an https URL",
            );
        }
        // Trusting the system's authorities in the place of those that are meant would be worse than not starting.
        let authorities = match ca_file.map(std::fs::read).transpose() {
            Ok(authorities) => authorities,
            Err(error) => {
                if !reader.has_fault("MINIO_CA_FILE") {
                    reader.fault(
                        "MINIO_CA_FILE",
                        format!("cannot be read: {error}"),
                        "set the path of a PEM file that this process can read",
                    );
                }
                None
            }
        };
        Self {
            endpoint,
            public_endpoint,
            access_key: reader.required_text("MINIO_ACCESS_KEY", "depot"),
            secret_key: reader.secret("MINIO_SECRET_KEY", 8),
            bucket: reader.text("S3_BUCKET", "files"),
            staging_bucket: reader.text("S3_STAGING_BUCKET", "staging"),
            region: reader.text("S3_REGION", "us-east-1"),
            authorities,
        }
    }
}
