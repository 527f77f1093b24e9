//! An issuer of tokens with keys of every kind, which publishes them in a file or over HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RsaKeyPair,
};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use depot_service::auth::Claims;
use depot_service::config::{JwtConfig, KeySource, KeysConfig};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

/// A pair of keys with its id.
pub struct Pair {
    pub id: &'static str,
    pub algorithm: Algorithm,
    private: EncodingKey,
}

/// PKCS#8 has the key of PKCS#1 behind a head of fixed length, for a size of two-byte lengths.
const PKCS8_HEAD: usize = 26;

impl Pair {
    pub fn rsa(id: &'static str) -> Self {
        Self::rsa_of(id, KeySize::Rsa2048)
    }

    pub fn rsa_of(id: &'static str, size: KeySize) -> Self {
        let pair = RsaKeyPair::generate(size).unwrap();
        let der: Pkcs8V1Der = pair.as_der().unwrap();
        Self {
            id,
            algorithm: Algorithm::RS256,
            private: EncodingKey::from_rsa_der(&der.as_ref()[PKCS8_HEAD..]),
        }
    }

    pub fn p256(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Self {
            id,
            algorithm: Algorithm::ES256,
            private: EncodingKey::from_ec_der(pair.unwrap().as_ref()),
        }
    }

    pub fn p384(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new());
        Self {
            id,
            algorithm: Algorithm::ES384,
            private: EncodingKey::from_ec_der(pair.unwrap().as_ref()),
        }
    }

    pub fn ed25519(id: &'static str) -> Self {
        let pair = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        Self {
            id,
            algorithm: Algorithm::EdDSA,
            private: EncodingKey::from_ed_der(pair.as_ref()),
        }
    }

    /// The public half, as an issuer publishes it.
    pub fn public(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.private, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!(self.id);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A token of alice's, a writer.
    pub fn token(&self) -> String {
        self.sign(|_| {})
    }

    /// The same with another header.
    pub fn sign(&self, change: impl FnOnce(&mut Header)) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.to_owned());
        change(&mut header);
        encode(&header, &claims(), &self.private).unwrap()
    }
}

pub fn claims() -> Claims {
    let now = get_current_timestamp();
    Claims {
        sub: "alice".into(),
        roles: vec!["writer".into()],
        iss: "depot".into(),
        aud: "depot".into(),
        exp: now + 3_600,
        nbf: None,
        iat: Some(now),
        jti: None,
    }
}

pub fn key_set(keys: &[&Pair]) -> Value {
    json!({"keys": keys.iter().map(|pair| pair.public()).collect::<Vec<_>>()})
}

/// No secret, and keys from there; refreshed by nothing but a key that is not known, within milliseconds.
pub fn config(source: KeySource) -> JwtConfig {
    JwtConfig {
        secret: None,
        keys: Some(KeysConfig {
            source,
            ca_file: None,
            https_only: false,
            refresh: Duration::from_secs(3_600),
            min_refresh_gap: Duration::from_millis(20),
            timeout: Duration::from_secs(5),
        }),
        ..JwtConfig::for_secret("")
    }
}

/// A file of keys that ends with the value.
pub struct KeyFile(PathBuf);

impl KeyFile {
    pub fn new(keys: &Value) -> Self {
        let name = format!("depot-keys-{}.json", uuid::Uuid::now_v7());
        let file = Self(std::env::temp_dir().join(name));
        file.write(keys);
        file
    }

    pub fn write(&self, keys: &Value) {
        // Whole or not at all, as an operator would.
        let next = self.0.with_extension("next");
        std::fs::write(&next, keys.to_string()).unwrap();
        std::fs::rename(next, &self.0).unwrap();
    }

    pub fn config(&self) -> JwtConfig {
        config(KeySource::File(self.0.clone()))
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

/// What the URL does when it is asked.
#[derive(Debug, Clone)]
pub enum Mood {
    Answers(Value),
    Fails,
    Hangs,
    Redirects,
    NeverEnds,
}

#[derive(Clone)]
pub struct KeyServer {
    pub address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    pub async fn start(mood: Mood) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            mood: Arc::new(Mutex::new(mood)),
            asked: Arc::default(),
        };
        let router = Router::new()
            .route("/keys", get(Self::answer))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    async fn answer(State(server): State<Self>) -> axum::response::Response {
        use axum::response::IntoResponse as _;
        server.asked.fetch_add(1, Ordering::SeqCst);
        let mood = server.mood.lock().unwrap().clone();
        match mood {
            Mood::Answers(keys) => axum::Json(keys).into_response(),
            Mood::Fails => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Mood::Hangs => std::future::pending().await,
            Mood::Redirects => axum::response::Redirect::temporary("/keys").into_response(),
            Mood::NeverEnds => {
                let piece = bytes::Bytes::from(vec![b' '; 65_536]);
                let pieces = futures::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
                axum::body::Body::from_stream(pieces).into_response()
            }
        }
    }

    pub fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn config(&self) -> JwtConfig {
        config(KeySource::Url(format!("http://{}/keys", self.address)))
    }
}
