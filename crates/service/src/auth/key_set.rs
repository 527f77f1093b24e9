//! A JSON Web Key Set (RFC 7517), and which of its keys are used.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::Signing;

/// More keys than any issuer rotates through.
const MAX_KEYS: usize = 100;
/// RFC 7518: a key of 2048 bits or more.
const MIN_MODULUS_BYTES: usize = 256;

/// Why a text is no key set.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// Not JSON, or without `keys`.
    #[error("it is no JSON Web Key Set")]
    Malformed(#[source] serde_json::Error),
    /// None of its keys checks signatures by RS256, ES256 or EdDSA.
    #[error("none of its {0} keys is a public key for RS256, ES256 or EdDSA")]
    NoUsableKey(usize),
}

/// Public keys, each with the one algorithm that it is used with.
#[derive(Default)]
pub(super) struct KeySet {
    /// Told apart from the sets before it.
    pub generation: u64,
    keys: Vec<PublicKey>,
}

struct PublicKey {
    id: Option<String>,
    signing: Signing,
    key: DecodingKey,
}

impl KeySet {
    /// The keys of a document that can be used; the others are left out, since an issuer may have keys for other ends.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_slice(document).map_err(KeySetError::Malformed)?;
        let count = document.keys.len();
        let keys: Vec<_> = document
            .keys
            .into_iter()
            .take(MAX_KEYS)
            .filter_map(PublicKey::of)
            .collect();
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey(count));
        }
        Ok(Self { generation: 0, keys })
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key of a token. A token without `kid` has one only where no other could be meant.
    pub fn find(&self, signing: Signing, id: Option<&str>) -> Option<&DecodingKey> {
        let mut fitting = self.keys.iter().filter(|key| key.signing == signing);
        let key = match id {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id))?,
            None => {
                let only = fitting.next()?;
                if fitting.next().is_some() {
                    return None;
                }
                only
            }
        };
        Some(&key.key)
    }
}

impl PublicKey {
    fn of(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let signing = signing(&jwk)?;
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self {
            id: jwk.common.key_id,
            signing,
            key,
        })
    }
}

/// The algorithm that follows from a key's type. Never HS256: what can be fetched is no secret.
fn signing(jwk: &Jwk) -> Option<Signing> {
    let common = &jwk.common;
    if common
        .public_key_use
        .as_ref()
        .is_some_and(|usage| *usage != PublicKeyUse::Signature)
    {
        return None;
    }
    if common
        .key_operations
        .as_ref()
        .is_some_and(|operations| !operations.contains(&KeyOperations::Verify))
    {
        return None;
    }
    let (signing, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) if modulus_bytes(&rsa.n) >= MIN_MODULUS_BYTES => {
            (Signing::Rs256, KeyAlgorithm::RS256)
        }
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            (Signing::Es256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Signing::EdDsa, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    // A key that names an algorithm is used with that one.
    let agrees = common.key_algorithm.is_none_or(|algorithm| algorithm == named);
    agrees.then_some(signing)
}

/// Of base64url without padding; leading zeros count, which no issuer writes.
fn modulus_bytes(text: &str) -> usize {
    text.len() * 3 / 4
}
