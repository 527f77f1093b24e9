//! Which keys check which tokens.

use aws_lc_rs::rsa::KeySize;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use depot_service::auth::{AuthError, Role, TokenMinter, TokenVerifier, check_key_set};
use depot_service::config::JwtConfig;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::time::Duration;

use super::{SECRET, enter, verifier};
use crate::issuer::{KeyFile, Pair, claims, key_set};

#[tokio::test]
async fn each_algorithm_is_accepted_by_its_key() {
    let pairs = [Pair::rsa("r"), Pair::p256("e"), Pair::ed25519("d")];
    let keys = key_set(&pairs.iter().collect::<Vec<_>>());
    let file = KeyFile::new(&keys);
    let (verifier, _guard) = verifier(&file.config()).await;
    for pair in &pairs {
        let principal = enter(&verifier, &pair.token()).await.unwrap();
        assert_eq!(&*principal.subject, "alice", "{:?}", pair.algorithm);
        assert!(principal.has(Role::Writer) && !principal.has(Role::Admin));
        // The only key of its algorithm needs no name; a wrong name is no name.
        assert!(verifier.verify(&pair.sign(|header| header.kid = None)).is_ok());
        let misnamed = pair.sign(|header| header.kid = Some("nobody".into()));
        assert_eq!(verifier.verify(&misnamed), Err(AuthError::UnknownKey));
    }
}

#[tokio::test]
async fn a_token_without_a_name_is_refused_where_two_keys_could_be_meant() {
    let (one, two) = (Pair::p256("one"), Pair::p256("two"));
    let file = KeyFile::new(&key_set(&[&one, &two]));
    let (verifier, _guard) = verifier(&file.config()).await;
    assert_eq!(
        verifier.verify(&one.sign(|header| header.kid = None)),
        Err(AuthError::UnknownKey)
    );
}

/// Tokens that were made with what everybody can fetch.
fn forged(pair: &Pair) -> Vec<(&'static str, String)> {
    let public = pair.public();
    let text = |value: &Value| value.as_str().unwrap().as_bytes().to_vec();
    let modulus = URL_SAFE_NO_PAD.decode(public["n"].as_str().unwrap()).unwrap();
    let secrets = [
        ("the modulus", modulus),
        ("the modulus as text", text(&public["n"])),
        ("the key as JSON", public.to_string().into_bytes()),
        ("nothing", Vec::new()),
    ];
    let mut forged = Vec::new();
    for (name, secret) in secrets {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(pair.id.to_owned());
        let token = encode(&header, &claims(), &EncodingKey::from_secret(&secret)).unwrap();
        forged.push((name, token));
    }
    forged
}

#[tokio::test]
async fn a_public_key_is_no_secret_and_a_secret_no_public_key() {
    let pair = Pair::rsa("r");
    let file = KeyFile::new(&key_set(&[&pair]));
    let keys_only = file.config();
    let both = JwtConfig {
        secret: Some(SECRET.into()),
        ..file.config()
    };
    let (without_secret, _guard) = verifier(&keys_only).await;
    let (with_secret, _guard) = verifier(&both).await;
    for (name, token) in forged(&pair) {
        assert_eq!(without_secret.verify(&token), Err(AuthError::Algorithm), "{name}");
        assert_eq!(with_secret.verify(&token), Err(AuthError::Signature), "{name}");
    }
    // HS256 is there only where a secret was configured.
    let by_secret = TokenMinter::new(&both)
        .mint("alice", &[Role::Writer], Duration::from_secs(60))
        .unwrap();
    assert_eq!(without_secret.verify(&by_secret), Err(AuthError::Algorithm));
    assert!(with_secret.verify(&by_secret).is_ok());
    // Keys are used where keys were configured, and nowhere else.
    let secret_only = TokenVerifier::new(&JwtConfig::for_secret(SECRET));
    assert_eq!(secret_only.verify(&pair.token()), Err(AuthError::Algorithm));
}

#[tokio::test]
async fn a_key_is_used_with_its_own_algorithm_only() {
    let (rsa, p256) = (Pair::rsa("same"), Pair::p256("same"));
    let file = KeyFile::new(&key_set(&[&rsa]));
    let (verifier, _guard) = verifier(&file.config()).await;
    // A good signature, by a key of the same name and another kind, is by a key that is not there.
    assert_eq!(verifier.verify(&p256.token()), Err(AuthError::UnknownKey));
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let token = rsa.sign(|header| header.alg = algorithm);
        assert_eq!(
            verifier.verify(&token),
            Err(AuthError::Algorithm),
            "{algorithm:?}"
        );
    }
    // The header says RS256, the signature is one of ES256.
    let (_, rest) = rsa
        .token()
        .split_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let (payload, _) = rest.split_once('.').unwrap();
    let other = p256.token();
    let signature = other.rsplit_once('.').unwrap().1;
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"same"}"#);
    assert_eq!(
        verifier.verify(&format!("{header}.{payload}.{signature}")),
        Err(AuthError::Signature)
    );
}

#[tokio::test]
async fn a_key_that_a_token_brings_along_is_not_looked_at() {
    let (known, own) = (Pair::p256("k"), Pair::p256("k"));
    let file = KeyFile::new(&key_set(&[&known]));
    let (verifier, _guard) = verifier(&file.config()).await;
    let with_key = own.sign(|header| header.jwk = Some(serde_json::from_value(own.public()).unwrap()));
    assert_eq!(verifier.verify(&with_key), Err(AuthError::Signature));
    let with_url = own.sign(|header| header.jku = Some("https://evil.example/keys".into()));
    assert_eq!(verifier.verify(&with_url), Err(AuthError::Signature));
    // Nor is anything that must be understood.
    let (_, rest) = known
        .token()
        .split_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let critical = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"k","crit":["exp"]}"#);
    assert_eq!(
        verifier.verify(&format!("{critical}.{rest}")),
        Err(AuthError::Malformed)
    );
}

#[test]
fn only_keys_that_check_signatures_by_the_accepted_algorithms_are_taken() {
    let but = |mut key: Value, member: &str, value: Value| {
        key[member] = value;
        json!({"keys": [key]})
    };
    let secret = json!({"kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(SECRET)});
    let rsa = Pair::rsa("r").public();
    let p256 = Pair::p256("e").public();
    let small = json!({"keys": [{"kty": "RSA", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([255_u8; 128])}]});
    for (name, document) in [
        ("a secret", json!({"keys": [secret]})),
        ("RSA of 1024 bits", small),
        ("RSA for PS256", but(rsa.clone(), "alg", json!("PS256"))),
        ("RSA for HS256", but(rsa.clone(), "alg", json!("HS256"))),
        (
            "RSA for an algorithm nobody knows",
            but(rsa.clone(), "alg", json!("XS1")),
        ),
        ("a key to encrypt with", but(rsa.clone(), "use", json!("enc"))),
        ("a key to sign with", but(rsa.clone(), "key_ops", json!(["sign"]))),
        ("P-384", json!({"keys": [Pair::p384("e").public()]})),
        ("P-256 for RS256", but(p256, "alg", json!("RS256"))),
        ("no key", json!({"keys": []})),
        ("no set", json!({"key": "x"})),
        ("no object", json!("x")),
    ] {
        assert!(check_key_set(document.to_string().as_bytes()).is_err(), "{name}");
    }
    // Beside one that can be used, the others do no harm.
    let mixed = json!({"keys": [{"kty": "oct", "k": "AA"}, {"what": 1}, 5, rsa]});
    assert!(check_key_set(mixed.to_string().as_bytes()).is_ok());
    let large = Pair::rsa_of("r", KeySize::Rsa4096);
    assert!(check_key_set(key_set(&[&large]).to_string().as_bytes()).is_ok());
}
