//! Checks tokens.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{DecodingKey, decode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::algorithm::{Signing, Validations};
use super::claims::Identity;
use super::clock::{Clock, SystemClock};
use super::key_ring::KeyRing;
use super::key_source::KeysError;
use super::token_cache::{Lifetime, TokenCache};
use super::{AuthError, Principal, Role};
use crate::config::JwtConfig;

/// Longer tokens are refused unread.
const MAX_TOKEN_BYTES: usize = 8_192;
const MAX_SUBJECT_CHARS: usize = 200;

/// Checks bearer tokens: algorithm, signature, `exp`, `nbf`, `aud` and `iss`.
///
/// A token's algorithm only chooses among the keys that are there for it: a secret checks HS256 and nothing else, a
/// public key the one algorithm that its type and its issuer name. Without a secret, HS256 is refused.
pub struct TokenVerifier {
    secrets: Vec<DecodingKey>,
    ring: Option<Arc<KeyRing>>,
    validations: Validations,
    leeway: u64,
    clock: Box<dyn Clock>,
    cache: TokenCache,
}

impl TokenVerifier {
    /// A verifier for tokens that are signed with the configured secret; it knows no public keys.
    #[must_use]
    pub fn new(config: &JwtConfig) -> Self {
        Self::with(config, None)
    }

    /// A verifier that also accepts what the issuer's keys sign, once [`keep_keys`](Self::keep_keys) has read them.
    ///
    /// # Errors
    /// [`KeysError`]: the client that fetches keys cannot be made.
    pub fn with_keys(config: &JwtConfig) -> Result<Self, KeysError> {
        let ring = config.keys.as_ref().map(KeyRing::new).transpose()?;
        Ok(Self::with(config, ring.map(Arc::new)))
    }

    fn with(config: &JwtConfig, ring: Option<Arc<KeyRing>>) -> Self {
        Self {
            secrets: config.secret.iter().map(key_of).collect(),
            ring,
            validations: Validations::new(config),
            leeway: config.leeway.as_secs(),
            clock: Box::new(SystemClock),
            cache: TokenCache::new(),
        }
    }

    /// Also accepts what the other services sign for each other.
    #[must_use]
    pub fn accepting_services(mut self, config: &JwtConfig) -> Self {
        self.secrets.extend(config.service_secret.iter().map(key_of));
        self
    }

    /// Checks times by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Reads the issuer's keys again and again until `stop`; ends at once where none are configured.
    pub fn keep_keys(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
        let ring = self.ring.clone();
        async move {
            if let Some(ring) = ring {
                ring.run(stop).await;
            }
        }
    }

    /// Whether tokens can be checked at all: for readiness.
    ///
    /// # Errors
    /// What is waited for.
    pub fn check_keys(&self) -> Result<(), String> {
        self.ring.as_ref().map_or(Ok(()), |ring| ring.check())
    }

    /// The principal of an `authorization` value (header or gRPC metadata), or of none, by the keys that are there.
    ///
    /// # Errors
    /// [`AuthError`] says which check failed.
    pub fn authenticate(&self, authorization: Option<&str>) -> Result<Principal, AuthError> {
        self.verify(bearer(authorization)?)
    }

    /// The principal of the headers of a request, HTTP or gRPC. A key that is not known yet is waited for.
    ///
    /// # Errors
    /// [`AuthError`] says which check failed.
    pub async fn authenticate_headers(&self, headers: &http::HeaderMap) -> Result<Principal, AuthError> {
        let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Err(AuthError::Missing),
            (Some(value), None) => value.to_str().map_err(|_| AuthError::NotBearer)?,
            (Some(_), Some(_)) => return Err(AuthError::NotBearer),
        };
        let token = bearer(Some(value))?;
        match (self.find(token), &self.ring) {
            (Err(AuthError::UnknownKey | AuthError::KeysAway), Some(ring)) => {
                ring.refreshed().await;
                self.find(token)
            }
            (found, _) => found,
        }
    }

    /// For how long the principal's token is still accepted: what goes on for long ends then.
    #[must_use]
    pub fn time_left(&self, principal: &Principal) -> Duration {
        let until = principal.expires.saturating_add(self.leeway);
        Duration::from_secs(until.saturating_sub(self.clock.now()))
    }

    /// The principal of a token, by the keys that are there. Asks for newer ones if its key is not among them.
    ///
    /// # Errors
    /// [`AuthError`] says which check failed.
    pub fn verify(&self, token: &str) -> Result<Principal, AuthError> {
        let found = self.find(token);
        if let (Err(AuthError::UnknownKey), Some(ring)) = (&found, &self.ring) {
            ring.ask();
        }
        found
    }

    fn find(&self, token: &str) -> Result<Principal, AuthError> {
        if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::Malformed);
        }
        let keys = self.ring.as_ref().map(|ring| ring.load());
        let generation = keys.as_ref().map_or(0, |keys| keys.generation);
        if let Some(known) = self.cache.get(token, generation) {
            self.check_time(known.lifetime)?;
            return Ok(known.principal.clone());
        }
        let header = Header::of(token)?;
        let identity = match header.signing {
            Signing::Hs256 => self.by_secret(token)?,
            signing => {
                let keys = keys.as_ref().ok_or(AuthError::Algorithm)?;
                let key = keys
                    .find(signing, header.kid.as_deref())
                    .ok_or(match keys.len() {
                        0 => AuthError::KeysAway,
                        _ => AuthError::UnknownKey,
                    })?;
                decode::<Identity>(token, key, self.validations.of(signing))?.claims
            }
        };
        let lifetime = identity.lifetime()?;
        self.check_time(lifetime)?;
        let principal = identity.principal(lifetime.expires)?;
        self.cache.put(token, generation, principal.clone(), lifetime);
        Ok(principal)
    }

    fn by_secret(&self, token: &str) -> Result<Identity, AuthError> {
        let mut refused = AuthError::Algorithm;
        for secret in &self.secrets {
            match decode::<Identity>(token, secret, self.validations.of(Signing::Hs256)) {
                Ok(data) => return Ok(data.claims),
                Err(error) => refused = error.into(),
            }
            if refused != AuthError::Signature {
                break;
            }
        }
        Err(refused)
    }

    fn check_time(&self, lifetime: Lifetime) -> Result<(), AuthError> {
        let now = self.clock.now();
        // RFC 7519, 4.1.4: "on or after" it the token is not accepted.
        if now >= lifetime.expires.saturating_add(self.leeway) {
            return Err(AuthError::Expired);
        }
        if lifetime
            .not_before
            .is_some_and(|from| from > now.saturating_add(self.leeway))
        {
            return Err(AuthError::NotYetValid);
        }
        Ok(())
    }
}

/// The part of a token's header that decides how it is checked. Keys that it brings along (`jwk`, `jku`, `x5c`) are
/// not looked at.
struct Header {
    signing: Signing,
    kid: Option<String>,
}

impl Header {
    fn of(token: &str) -> Result<Self, AuthError> {
        #[derive(Deserialize)]
        struct Text {
            alg: String,
            kid: Option<String>,
            crit: Option<serde::de::IgnoredAny>,
        }
        let header = token.split('.').next().unwrap_or_default();
        let bytes = decode_base64url(header).ok_or(AuthError::Malformed)?;
        let header: Text = serde_json::from_slice(&bytes).map_err(|_| AuthError::Malformed)?;
        // RFC 7515: what is critical must be understood, and nothing of it is.
        if header.crit.is_some() {
            return Err(AuthError::Malformed);
        }
        Ok(Self {
            signing: Signing::parse(&header.alg).ok_or(AuthError::Algorithm)?,
            kid: header.kid,
        })
    }
}

impl Identity {
    fn lifetime(&self) -> Result<Lifetime, AuthError> {
        Ok(Lifetime {
            not_before: self.nbf.map(|nbf| nbf.ceil() as u64),
            expires: self.exp.map(|exp| exp as u64).ok_or(AuthError::Claims)?,
        })
    }

    fn principal(self, expires: u64) -> Result<Principal, AuthError> {
        let subject = self.sub;
        let usable = !subject.trim().is_empty()
            && subject.chars().count() <= MAX_SUBJECT_CHARS
            && !subject.chars().any(char::is_control);
        if !usable {
            return Err(AuthError::Claims);
        }
        Ok(Principal {
            subject: subject.into(),
            roles: self.roles.iter().filter_map(|role| Role::parse(role)).collect(),
            expires,
        })
    }
}

fn key_of(secret: &SecretString) -> DecodingKey {
    DecodingKey::from_secret(secret.expose_secret().as_bytes())
}

fn bearer(authorization: Option<&str>) -> Result<&str, AuthError> {
    let value = authorization.ok_or(AuthError::Missing)?;
    let (scheme, token) = value.split_once(' ').ok_or(AuthError::NotBearer)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthError::NotBearer);
    }
    Ok(token.trim())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::TokenMinter;

    #[test]
    fn a_token_that_was_verified_is_not_verified_again() {
        crate::install_crypto_provider();
        let config = JwtConfig::for_secret("a-secret-of-the-tests-with-enough-bytes");
        let minter = TokenMinter::new(&config);
        let mint = || minter.mint("alice", &[], Duration::from_secs(600)).unwrap();
        let (known, unknown) = (mint(), mint());
        let mut verifier = TokenVerifier::new(&config);
        let principal = verifier.verify(&known).unwrap();
        // Nothing is left that could verify one.
        verifier.secrets.clear();
        assert_eq!(verifier.verify(&known), Ok(principal));
        assert_eq!(verifier.verify(&unknown), Err(AuthError::Algorithm));
    }
}
