//! What a token says.

use serde::{Deserialize, Serialize};

/// The claims of a token (RFC 7519). Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who it stands for.
    pub sub: String,
    /// What its bearer may do; unknown words give nothing.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Who made it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// Not accepted from then on.
    pub exp: u64,
    /// Not accepted before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// Its own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// The part of [`Claims`] that is used after the signature, `iss` and `aud` were checked.
#[derive(Debug, Deserialize)]
pub(super) struct Identity {
    #[serde(default)]
    pub sub: String,
    #[serde(default)]
    pub roles: Vec<String>,
    /// RFC 7519 allows fractions.
    pub exp: Option<f64>,
    pub nbf: Option<f64>,
}
