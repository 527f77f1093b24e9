//! One TLS implementation for the process.

/// Makes aws-lc-rs the process's provider of cryptography. Call it first thing in `main`; a second call does nothing.
pub fn install_crypto_provider() {
    // An error means that a provider is installed already.
    let _already_installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
