use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
};
use secrecy::{ExposeSecret, SecretString};

pub(crate) const CONNECT: Duration = Duration::from_secs(3);
/// Until the first byte of an answer; streams are watched piece by piece.
const FIRST_BYTE: Duration = Duration::from_secs(30);

/// Who calls, and where.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Where this process reaches the store.
    pub endpoint: String,
    /// Where clients reach it: presigned URLs name it.
    pub public_endpoint: String,
    pub region: String,
    pub access_key: String,
    pub secret_key: SecretString,
}

/// The object store under one identity. A clone is cheap and shares the connections.
#[derive(Debug, Clone)]
pub struct ObjectStore {
    pub(crate) client: Client,
    /// Signs for the public endpoint, and never calls it.
    pub(crate) signer: Client,
}

impl ObjectStore {
    /// Opens no connection: the store may come up later.
    pub fn new(identity: &Identity) -> Self {
        Self {
            client: client(identity, &identity.endpoint),
            signer: client(identity, &identity.public_endpoint),
        }
    }
}

fn client(identity: &Identity, endpoint: &str) -> Client {
    let secret = identity.secret_key.expose_secret();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(FIRST_BYTE)
        .build();
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(identity.region.clone()))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(
            &identity.access_key,
            secret,
            None,
            None,
            "depot",
        ))
        .force_path_style(true)
        // Checksums of the SDK's own choosing are not understood by every server.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .build();
    Client::from_conf(config)
}

/// A server may answer with its first byte only when a long copy is done.
pub(crate) fn patient(deadline: Duration) -> Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(deadline)
        .build();
    Builder::new().timeout_config(timeouts)
}

/// A copy inside the store takes its time; slower than 10 MiB/s is taken for stuck.
pub(crate) fn copy_deadline(size_bytes: i64) -> Duration {
    const CALL: Duration = Duration::from_secs(30);
    CALL + Duration::from_secs(u64::try_from(size_bytes / (10 * 1024 * 1024)).unwrap_or_default())
}
