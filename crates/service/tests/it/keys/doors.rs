//! Who takes which tokens, and what that costs.

use std::time::Duration;

use depot_service::auth::{AuthError, Door, Role, TokenMinter, TokenVerifier};
use depot_service::config::{JwtConfig, RateLimitConfig};
use depot_test_stack::wait_until;
use http::HeaderMap;
use tokio_util::sync::CancellationToken;

use super::{SECRET, verifier};
use crate::issuer::{KeyFile, Pair, key_set};

#[tokio::test]
async fn services_may_sign_for_each_other_by_a_secret_that_opens_nothing_else() {
    let file = KeyFile::new(&key_set(&[&Pair::p256("k")]));
    let config = JwtConfig {
        service_secret: Some(SECRET.into()),
        ..file.config()
    };
    let token = TokenMinter::for_services(&config)
        .mint("command-api", &[Role::Admin], Duration::from_secs(60))
        .unwrap();
    let public = TokenVerifier::with_keys(&config).unwrap();
    assert_eq!(public.verify(&token), Err(AuthError::Algorithm));
    let inner = TokenVerifier::with_keys(&config)
        .unwrap()
        .accepting_services(&config);
    assert!(inner.verify(&token).unwrap().has(Role::Admin));
    assert!(TokenMinter::new(&config).mint("a", &[], Duration::ZERO).is_err());
}

#[tokio::test]
async fn a_door_takes_the_issuers_tokens() {
    let pair = Pair::ed25519("d");
    let file = KeyFile::new(&key_set(&[&pair]));
    let door = Door::new(
        TokenVerifier::with_keys(&file.config()).unwrap(),
        &RateLimitConfig::default(),
    );
    let stop = CancellationToken::new();
    tokio::spawn(door.verifier().keep_keys(stop.clone()));
    let _guard = stop.drop_guard();
    let mut headers = HeaderMap::new();
    headers.insert(
        "authorization",
        format!("Bearer {}", pair.token()).parse().unwrap(),
    );
    wait_until("the door opens", || async { door.enter(&headers).await.is_ok() }).await;
}

/// Prints it: what is asserted of a token that was verified is in `auth/verifier.rs`, without a clock.
#[tokio::test]
async fn what_a_token_costs_the_first_time_and_the_next() {
    let (rsa, p256, ed25519) = (Pair::rsa("r"), Pair::p256("e"), Pair::ed25519("d"));
    let file = KeyFile::new(&key_set(&[&rsa, &p256, &ed25519]));
    let config = JwtConfig {
        secret: Some(SECRET.into()),
        ..file.config()
    };
    let (verifier, _guard) = verifier(&config).await;
    let by_secret = || {
        TokenMinter::new(&config)
            .mint("alice", &[], Duration::from_secs(60))
            .unwrap()
    };
    let makers: [(&str, &dyn Fn() -> String); 4] = [
        ("HS256", &by_secret),
        ("RS256", &|| rsa.token()),
        ("ES256", &|| p256.token()),
        ("EdDSA", &|| ed25519.token()),
    ];
    for (name, make) in makers {
        let token = make();
        let started = std::time::Instant::now();
        verifier.verify(&token).unwrap();
        let first = started.elapsed();
        let started = std::time::Instant::now();
        for _ in 0..1_000 {
            verifier.verify(&token).unwrap();
        }
        let next = started.elapsed() / 1_000;
        println!("{name}: {first:?}, then {next:?}");
    }
}
