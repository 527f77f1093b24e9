//! What time does to tokens and keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use depot_service::auth::{AuthError, Clock, TokenMinter, TokenVerifier};
use depot_service::config::JwtConfig;
use depot_test_stack::wait_until;
use tokio_util::sync::CancellationToken;

use super::{SECRET, is_accepted_soon};
use crate::issuer::{KeyServer, Mood, Pair, claims, key_set};

/// A clock that a test sets.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Clock for Hands {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn a_clock_that_jumps_changes_what_is_valid_and_nothing_for_good() {
    let hands = Hands::default();
    let config = JwtConfig {
        leeway: Duration::from_secs(30),
        ..JwtConfig::for_secret(SECRET)
    };
    let verifier = TokenVerifier::new(&config).with_clock(hands.clone());
    let mut claims = claims();
    (claims.nbf, claims.exp) = (Some(10_000), 20_000);
    let token = TokenMinter::new(&config).sign(&claims).unwrap();
    let at = |seconds| {
        hands.0.store(seconds, Ordering::SeqCst);
        // Twice: the second time it may be remembered.
        let first = verifier.verify(&token).map(drop);
        assert_eq!(verifier.verify(&token).map(drop), first, "at {seconds}");
        first
    };
    for _ in 0..2 {
        assert_eq!(at(0), Err(AuthError::NotYetValid));
        assert_eq!(at(9_969), Err(AuthError::NotYetValid));
        assert_eq!(at(9_970), Ok(()));
        assert_eq!(at(15_000), Ok(()));
        // RFC 7519, 4.1.4: on `exp` it must not be accepted any more, only before it.
        assert_eq!(at(20_029), Ok(()));
        assert_eq!(at(20_030), Err(AuthError::Expired));
        assert_eq!(at(u64::MAX), Err(AuthError::Expired));
        // Back again: a jump that was a mistake has locked nobody out.
        assert_eq!(at(15_000), Ok(()));
    }
}

#[tokio::test]
async fn a_clock_that_jumps_neither_stops_the_refresh_of_keys_nor_hastens_it() {
    let (old, new) = (Pair::p256("old"), Pair::p256("new"));
    let server = KeyServer::start(Mood::Answers(key_set(&[&old]))).await;
    let hands = Hands::default();
    let verifier = Arc::new(
        TokenVerifier::with_keys(&server.config())
            .unwrap()
            .with_clock(hands.clone()),
    );
    let stop = CancellationToken::new();
    tokio::spawn(verifier.keep_keys(stop.clone()));
    let _guard = stop.drop_guard();
    wait_until("keys were read", || {
        std::future::ready(verifier.check_keys().is_ok())
    })
    .await;
    for seconds in [0, u64::MAX, 1_000, u64::MAX / 2] {
        hands.0.store(seconds, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(server.asked(), 1);
    hands.0.store(claims().iat.unwrap(), Ordering::SeqCst);
    server.becomes(Mood::Answers(key_set(&[&new])));
    is_accepted_soon(&verifier, &new.token()).await;
}
