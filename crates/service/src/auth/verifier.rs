//! Checks tokens.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use secrecy::ExposeSecret as _;

use super::claims::Identity;
use super::{AuthError, Principal, Role};
use crate::config::JwtConfig;

/// Longer tokens are refused unread.
const MAX_TOKEN_BYTES: usize = 8_192;
const MAX_SUBJECT_CHARS: usize = 200;

/// Checks bearer tokens: algorithm, signature, `exp`, `nbf`, `aud` and `iss`.
pub struct TokenVerifier {
    key: DecodingKey,
    validation: Validation,
}

impl TokenVerifier {
    /// A verifier for tokens signed with the configured secret.
    #[must_use]
    pub fn new(config: &JwtConfig) -> Self {
        // One algorithm and no other: a token never chooses how it is checked.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = config.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_audience(&[&config.audience]);
        validation.set_issuer(&[&config.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Self {
            key: DecodingKey::from_secret(config.secret.expose_secret().as_bytes()),
            validation,
        }
    }

    /// The principal of an `authorization` value (header or gRPC metadata), or of none.
    ///
    /// # Errors
    /// [`AuthError`] says which check failed.
    pub fn authenticate(&self, authorization: Option<&str>) -> Result<Principal, AuthError> {
        let value = authorization.ok_or(AuthError::Missing)?;
        let (scheme, token) = value.split_once(' ').ok_or(AuthError::NotBearer)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(AuthError::NotBearer);
        }
        self.verify(token.trim())
    }

    /// The principal of the headers of a request, HTTP or gRPC.
    ///
    /// # Errors
    /// [`AuthError`] says which check failed.
    pub fn authenticate_headers(&self, headers: &http::HeaderMap) -> Result<Principal, AuthError> {
        let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Err(AuthError::Missing),
            (Some(value), None) => self.authenticate(Some(value.to_str().map_err(|_| AuthError::NotBearer)?)),
            (Some(_), Some(_)) => Err(AuthError::NotBearer),
        }
    }

    /// The principal of a token.
    ///
    /// # Errors
    /// [`AuthError`] says which check failed.
    pub fn verify(&self, token: &str) -> Result<Principal, AuthError> {
        if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::Malformed);
        }
        self.refuse_other_algorithms(token)?;
        let identity = decode::<Identity>(token, &self.key, &self.validation)?.claims;
        let subject = identity.sub;
        let usable = !subject.trim().is_empty()
            && subject.chars().count() <= MAX_SUBJECT_CHARS
            && !subject.chars().any(char::is_control);
        if !usable {
            return Err(AuthError::Claims);
        }
        Ok(Principal {
            subject,
            roles: identity
                .roles
                .iter()
                .filter_map(|role| Role::parse(role))
                .collect(),
        })
    }

    /// Tells `alg: none`, which the decoder does not know as an algorithm, from a header that cannot be read.
    fn refuse_other_algorithms(&self, token: &str) -> Result<(), AuthError> {
        #[derive(serde::Deserialize)]
        struct AnyAlgorithm {
            alg: String,
        }
        let header = token.split('.').next().unwrap_or_default();
        let bytes = decode_base64url(header).ok_or(AuthError::Malformed)?;
        let header: AnyAlgorithm = serde_json::from_slice(&bytes).map_err(|_| AuthError::Malformed)?;
        if header.alg == "HS256" {
            Ok(())
        } else {
            Err(AuthError::Algorithm)
        }
    }
}

fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()
}

/// Shows no key.
impl std::fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenVerifier").finish_non_exhaustive()
    }
}
