//! Keys that change, and an issuer that is away.

use std::time::Duration;

use depot_service::auth::AuthError;
use depot_service::problem::{Problem, types};
use depot_test_stack::wait_until;
use serde_json::json;

use super::{enter, is_accepted_soon, unready_verifier, verifier};
use crate::issuer::{KeyFile, KeyServer, Mood, Pair, key_set};

#[tokio::test]
async fn a_key_that_is_new_is_fetched_when_a_token_names_it_and_one_that_is_gone_counts_no_longer() {
    let (old, new) = (Pair::p256("old"), Pair::ed25519("new"));
    let file = KeyFile::new(&key_set(&[&old]));
    let server = KeyServer::start(Mood::Answers(key_set(&[&old]))).await;
    let (by_file, _guard) = verifier(&file.config()).await;
    let (by_url, _guard) = verifier(&server.config()).await;
    for verifier in [&by_file, &by_url] {
        assert!(enter(verifier, &old.token()).await.is_ok());
        assert_eq!(enter(verifier, &new.token()).await, Err(AuthError::UnknownKey));
    }
    let old_token = old.token();
    for verifier in [&by_file, &by_url] {
        // Verified, and so remembered.
        assert!(verifier.verify(&old_token).is_ok() && verifier.verify(&old_token).is_ok());
    }
    file.write(&key_set(&[&new]));
    server.becomes(Mood::Answers(key_set(&[&new])));
    for verifier in [&by_file, &by_url] {
        is_accepted_soon(verifier, &new.token()).await;
        assert_eq!(verifier.verify(&old_token), Err(AuthError::UnknownKey));
    }
}

#[tokio::test]
async fn a_first_token_of_a_new_key_waits_for_the_key() {
    let (old, new) = (Pair::p256("old"), Pair::p256("new"));
    let server = KeyServer::start(Mood::Answers(key_set(&[&old]))).await;
    let (verifier, _guard) = verifier(&server.config()).await;
    server.becomes(Mood::Answers(key_set(&[&old, &new])));
    tokio::time::sleep(Duration::from_millis(60)).await;
    // A hundred at once: all are answered by one fetch.
    let before = server.asked();
    let token = new.token();
    let answers = futures::future::join_all((0..50).map(|_| enter(&verifier, &token))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(server.asked(), before + 1);
}

#[tokio::test]
async fn tokens_with_keys_that_nobody_knows_make_few_fetches() {
    let known = Pair::p256("known");
    let server = KeyServer::start(Mood::Answers(key_set(&[&known]))).await;
    let mut config = server.config();
    config.keys.as_mut().unwrap().min_refresh_gap = Duration::from_secs(3_600);
    let (verifier, _guard) = verifier(&config).await;
    let stranger = Pair::p256("stranger").token();
    for _ in 0..200 {
        assert_eq!(enter(&verifier, &stranger).await, Err(AuthError::UnknownKey));
        // So that a fetch could begin.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(server.asked(), 1, "only the first fetch, within an hour");
    assert!(enter(&verifier, &known.token()).await.is_ok());
}

#[tokio::test]
async fn keys_are_read_again_on_the_interval_without_a_token_that_asks() {
    let (old, new) = (Pair::p256("old"), Pair::p256("new"));
    let server = KeyServer::start(Mood::Answers(key_set(&[&old]))).await;
    let mut config = server.config();
    config.keys.as_mut().unwrap().refresh = Duration::from_millis(50);
    let (verifier, _guard) = verifier(&config).await;
    server.becomes(Mood::Answers(key_set(&[&new])));
    wait_until("the old key is gone", || {
        std::future::ready(verifier.verify(&old.token()) == Err(AuthError::UnknownKey))
    })
    .await;
}

#[tokio::test]
async fn the_last_good_keys_stay_when_the_url_is_away_or_answers_rubbish() {
    let (known, new) = (Pair::p256("known"), Pair::p256("new"));
    let server = KeyServer::start(Mood::Answers(key_set(&[&known]))).await;
    let mut config = server.config();
    config.keys.as_mut().unwrap().timeout = Duration::from_millis(200);
    let (verifier, _guard) = verifier(&config).await;
    for mood in [
        Mood::Fails,
        Mood::Hangs,
        Mood::Redirects,
        Mood::NeverEnds,
        Mood::Answers(json!({"keys": []})),
        Mood::Answers(json!("rubbish")),
    ] {
        let before = server.asked();
        server.becomes(mood.clone());
        wait_until("it was asked", || async {
            let started = tokio::time::Instant::now();
            assert_eq!(enter(&verifier, &new.token()).await, Err(AuthError::UnknownKey));
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "{mood:?}: no deadline"
            );
            server.asked() > before + 1
        })
        .await;
        assert!(enter(&verifier, &known.token()).await.is_ok(), "{mood:?}");
    }
    server.becomes(Mood::Answers(key_set(&[&known, &new])));
    is_accepted_soon(&verifier, &new.token()).await;
}

#[tokio::test]
async fn before_the_first_key_a_token_cannot_be_checked_which_is_no_fault_of_its() {
    let pair = Pair::p256("k");
    let server = KeyServer::start(Mood::Fails).await;
    let (verifier, _guard) = unready_verifier(&server.config());
    assert!(verifier.check_keys().is_err());
    let refused = enter(&verifier, &pair.token()).await.unwrap_err();
    assert_eq!(refused, AuthError::KeysAway);
    let problem = Problem::from(refused);
    assert!(problem.is(&types::UNAVAILABLE), "{problem:?}");
    server.becomes(Mood::Answers(key_set(&[&pair])));
    is_accepted_soon(&verifier, &pair.token()).await;
    assert!(verifier.check_keys().is_ok());
}
