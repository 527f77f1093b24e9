//! The table of tokens that are accepted and refused.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::FromRef;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use depot_service::auth::{AuthError, Claims, Clock, Door, Principal, Role, TokenMinter, TokenVerifier};
use depot_service::config::{HttpConfig, JwtConfig, RateLimitConfig};
use depot_service::layers::standard_layers;
use depot_service::problem::{Problem, types};
use http::Request;

use crate::requests::{header, problem, send};

const SECRET: &str = "a-secret-of-the-tests-with-enough-bytes";
const HOUR: Duration = Duration::from_secs(3_600);

fn minter() -> TokenMinter {
    TokenMinter::new(&JwtConfig::for_secret(SECRET))
}

fn verifier() -> TokenVerifier {
    TokenVerifier::new(&JwtConfig::for_secret(SECRET))
}

/// A token for alice whose claims were changed before signing.
fn token(change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = minter().claims("alice", &[Role::Writer], HOUR);
    change(&mut claims);
    minter().sign(&claims).unwrap()
}

/// A good token under another header; the signature stays that of the good one.
fn with_header(json: &str) -> String {
    let good = token(|_| {});
    let rest = good.split_once('.').unwrap().1;
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(json))
}

#[test]
fn a_good_token_gives_subject_and_roles() {
    let principal = verifier().verify(&token(|_| {})).unwrap();
    assert_eq!(&*principal.subject, "alice");
    assert!(principal.has(Role::Reader) && principal.has(Role::Writer) && !principal.has(Role::Admin));
}

#[test]
fn each_fault_of_a_token_is_refused_for_its_own_reason() {
    let now = jsonwebtoken::get_current_timestamp();
    let forged = TokenMinter::new(&JwtConfig::for_secret("another-secret-with-just-as-many-bytes"));
    let good = token(|_| {});
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    let admin =
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&minter().claims("alice", &[Role::Admin], HOUR)).unwrap());
    let table = [
        (
            "expired",
            token(|claims| claims.exp = now - 5),
            AuthError::Expired,
        ),
        (
            "nbf in the future",
            token(|claims| claims.nbf = Some(now + 600)),
            AuthError::NotYetValid,
        ),
        (
            "another audience",
            token(|claims| claims.aud = "elsewhere".into()),
            AuthError::Audience,
        ),
        (
            "another issuer",
            token(|claims| claims.iss = "somebody".into()),
            AuthError::Issuer,
        ),
        (
            "another key",
            forged.mint("alice", &[Role::Admin], HOUR).unwrap(),
            AuthError::Signature,
        ),
        (
            "claims swapped",
            format!("{head}.{admin}.{signature}"),
            AuthError::Signature,
        ),
        (
            "alg none",
            with_header(r#"{"alg":"none","typ":"JWT"}"#),
            AuthError::Algorithm,
        ),
        (
            "alg none, no signature",
            {
                let unsigned = with_header(r#"{"alg":"none"}"#);
                format!("{}.", unsigned.rsplit_once('.').unwrap().0)
            },
            AuthError::Algorithm,
        ),
        (
            "alg RS256",
            with_header(r#"{"alg":"RS256","typ":"JWT"}"#),
            AuthError::Algorithm,
        ),
        (
            "alg HS512",
            with_header(r#"{"alg":"HS512","typ":"JWT"}"#),
            AuthError::Algorithm,
        ),
        (
            "alg hs256",
            with_header(r#"{"alg":"hs256"}"#),
            AuthError::Algorithm,
        ),
        (
            "empty subject",
            token(|claims| claims.sub = " ".into()),
            AuthError::Claims,
        ),
        (
            "control character in subject",
            token(|claims| claims.sub = "a\nb".into()),
            AuthError::Claims,
        ),
        (
            "long subject",
            token(|claims| claims.sub = "a".repeat(201)),
            AuthError::Claims,
        ),
        ("no token", String::new(), AuthError::Malformed),
        ("no parts", "abc".into(), AuthError::Malformed),
        ("two parts", signed.into(), AuthError::Malformed),
        ("no base64", "§.§.§".into(), AuthError::Malformed),
        ("9 KiB", "a".repeat(9_216), AuthError::Malformed),
    ];
    for (name, token, expected) in table {
        assert_eq!(verifier().verify(&token), Err(expected), "{name}");
    }
}

#[test]
fn a_missing_claim_is_refused() {
    for claim in ["sub", "iss", "aud", "exp"] {
        let mut claims = serde_json::to_value(minter().claims("alice", &[], HOUR)).unwrap();
        claims.as_object_mut().unwrap().remove(claim);
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
        assert_eq!(verifier().verify(&token), Err(AuthError::Claims), "{claim}");
    }
}

#[test]
fn the_leeway_covers_clocks_that_differ() {
    let config = JwtConfig {
        leeway: Duration::from_secs(60),
        ..JwtConfig::for_secret(SECRET)
    };
    let now = jsonwebtoken::get_current_timestamp();
    let lenient = TokenVerifier::new(&config);
    assert!(lenient.verify(&token(|claims| claims.exp = now - 20)).is_ok());
    assert_eq!(
        lenient.verify(&token(|claims| claims.exp = now - 200)),
        Err(AuthError::Expired)
    );
}

#[test]
fn a_token_is_accepted_for_as_long_as_it_is_said_to_be() {
    struct At(u64);
    impl Clock for At {
        fn now(&self) -> u64 {
            self.0
        }
    }
    let config = JwtConfig {
        leeway: Duration::from_secs(30),
        ..JwtConfig::for_secret(SECRET)
    };
    let expires = jsonwebtoken::get_current_timestamp() + 600;
    let token = token(|claims| claims.exp = expires);
    let left_at = |now| {
        let verifier = TokenVerifier::new(&config).with_clock(At(now));
        verifier
            .verify(&token)
            .map(|principal| verifier.time_left(&principal))
    };
    assert_eq!(left_at(expires - 10), Ok(Duration::from_secs(40)));
    assert_eq!(left_at(expires + 29), Ok(Duration::from_secs(1)));
    assert_eq!(left_at(expires + 30), Err(AuthError::Expired));
}

#[test]
fn unknown_roles_give_nothing() {
    let token = token(|claims| claims.roles = vec!["root".into(), "Admin".into()]);
    assert!(verifier().verify(&token).unwrap().roles.is_empty());
}

#[test]
fn an_authorization_value_must_be_a_bearer_token() {
    let good = token(|_| {});
    assert!(verifier().authenticate(Some(&format!("bearer {good}"))).is_ok());
    assert_eq!(verifier().authenticate(None), Err(AuthError::Missing));
    for value in [good.as_str(), "Basic YTpi", ""] {
        assert_eq!(
            verifier().authenticate(Some(value)),
            Err(AuthError::NotBearer),
            "{value}"
        );
    }
}

#[test]
fn an_owner_and_an_admin_may_act_for_the_owner() {
    let caller = |subject: &str, role| Principal {
        subject: subject.into(),
        roles: [role].into(),
        expires: 0,
    };
    assert!(caller("alice", Role::Writer).require_owner("alice").is_ok());
    assert!(caller("root", Role::Admin).require_owner("alice").is_ok());
    assert!(
        caller("bob", Role::Writer)
            .require_owner("alice")
            .unwrap_err()
            .is(&types::FORBIDDEN)
    );
}

#[derive(Clone)]
struct State(Arc<Door>);

impl FromRef<State> for Arc<Door> {
    fn from_ref(state: &State) -> Self {
        Arc::clone(&state.0)
    }
}

fn router() -> Router {
    async fn admins_only(principal: Principal) -> Result<String, Problem> {
        principal.require(Role::Admin)?;
        Ok(principal.subject.to_string())
    }
    let routes = Router::new().route("/", get(admins_only));
    standard_layers(routes, &HttpConfig::default())
        .with_state(State(Door::new(verifier(), &RateLimitConfig::default())))
}

async fn call(values: &[String]) -> axum::response::Response {
    let mut request = Request::get("/").body(Body::empty()).unwrap();
    for value in values {
        request
            .headers_mut()
            .append("authorization", value.parse().unwrap());
    }
    send(&router(), request).await
}

#[tokio::test]
async fn a_request_without_a_token_is_401_with_a_plain_challenge() {
    let response = call(&[]).await;
    assert_eq!(header(&response, "www-authenticate"), r#"Bearer realm="depot""#);
    assert!(problem(response).await.is(&types::UNAUTHORIZED));
}

#[tokio::test]
async fn a_refused_token_is_401_and_says_why_without_the_token() {
    let expired = token(|claims| claims.exp -= 7_200);
    let response = call(&[format!("Bearer {expired}")]).await;
    assert!(header(&response, "www-authenticate").contains(r#"error="invalid_token""#));
    let problem = problem(response).await;
    assert_eq!(problem.detail.as_deref(), Some("The token has expired."));
    assert!(!String::from_utf8(problem.to_json()).unwrap().contains(&expired));
}

#[tokio::test]
async fn two_authorization_headers_are_refused() {
    let value = format!("Bearer {}", token(|_| {}));
    assert_eq!(call(&[value.clone(), value]).await.status(), 401);
}

#[tokio::test]
async fn a_role_that_is_too_low_is_403_and_the_right_one_passes() {
    let response = call(&[format!("Bearer {}", token(|_| {}))]).await;
    assert!(header(&response, "www-authenticate").contains("insufficient_scope"));
    assert!(problem(response).await.is(&types::FORBIDDEN));
    let admin = minter().mint("root", &[Role::Admin], HOUR).unwrap();
    assert_eq!(call(&[format!("Bearer {admin}")]).await.status(), 200);
}
