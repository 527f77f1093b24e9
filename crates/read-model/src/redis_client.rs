//! Redis, with TLS where its address says so.

use redis::{Client, ClientTlsConfig, RedisError, TlsCertificates};

/// A client that is not connected yet. `authorities` (PEM) are trusted instead of the system's; `identity` is the
/// certificate chain and the key (PEM) by which the client names itself.
///
/// # Errors
/// The address cannot be used, or the PEM has nothing that fits.
pub fn redis_client(
    url: &str,
    authorities: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
) -> Result<Client, RedisError> {
    if authorities.is_none() && identity.is_none() {
        return Client::open(url);
    }
    let client_tls = identity.map(|(client_cert, client_key)| ClientTlsConfig {
        client_cert,
        client_key,
    });
    Client::build_with_tls(
        url,
        TlsCertificates {
            client_tls,
            root_cert: authorities,
        },
    )
}
