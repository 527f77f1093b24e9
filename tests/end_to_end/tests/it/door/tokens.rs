//! Good tokens, and each way in which one can be bad.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use depot_service::{
    auth::{Claims, Role, TokenMinter},
    config::JwtConfig,
};
use depot_test_stack::settings;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};

const HOUR: Duration = Duration::from_secs(3600);

fn minter() -> TokenMinter {
    TokenMinter::new(&JwtConfig::for_secret(settings().get("JWT_SECRET")))
}

pub fn good(subject: &str, roles: &[Role]) -> String {
    minter().mint(subject, roles, HOUR).unwrap()
}

/// An admin's token whose claims were changed before signing.
fn signed(change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = minter().claims("root", &[Role::Admin], HOUR);
    change(&mut claims);
    minter().sign(&claims).unwrap()
}

/// An admin's token under another header; the signature stays that of the good one.
fn under(header: &str) -> String {
    let good = signed(|_| {});
    let (_, rest) = good.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

fn without_claim(name: &str) -> String {
    let mut claims = serde_json::to_value(minter().claims("root", &[Role::Admin], HOUR)).unwrap();
    claims.as_object_mut().unwrap().remove(name);
    let key = EncodingKey::from_secret(settings().get("JWT_SECRET").as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}

/// The claims of an admin under the signature of a reader.
fn swapped() -> String {
    let (reader, admin) = (good("root", &[Role::Reader]), good("root", &[Role::Admin]));
    let parts: Vec<_> = reader.split('.').collect();
    format!("{}.{}.{}", parts[0], admin.split('.').nth(1).unwrap(), parts[2])
}

/// Each with the values of `authorization` that are sent. All would be an admin's, if they were good.
pub fn broken() -> Vec<(&'static str, Vec<String>)> {
    let now = get_current_timestamp();
    let other = JwtConfig::for_secret("another-secret-with-just-as-many-bytes-as-it");
    let forged = TokenMinter::new(&other)
        .mint("root", &[Role::Admin], HOUR)
        .unwrap();
    let claims = minter().claims("root", &[Role::Admin], HOUR);
    let secret = EncodingKey::from_secret(settings().get("JWT_SECRET").as_bytes());
    let hs512 = encode(&Header::new(Algorithm::HS512), &claims, &secret).unwrap();
    let unsigned = under(r#"{"alg":"none"}"#);
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    let truncated = signed(|_| {});
    let truncated = truncated[..truncated.len() - 8].to_owned();
    let table = [
        // Beyond the leeway, which is half a minute.
        ("expired", signed(|claims| claims.exp = now - 600)),
        ("not yet valid", signed(|claims| claims.nbf = Some(now + 600))),
        (
            "another audience",
            signed(|claims| claims.aud = "elsewhere".into()),
        ),
        ("another issuer", signed(|claims| claims.iss = "somebody".into())),
        ("no subject", signed(|claims| claims.sub = " ".into())),
        ("no exp", without_claim("exp")),
        ("no aud", without_claim("aud")),
        ("no iss", without_claim("iss")),
        ("no sub", without_claim("sub")),
        ("another key", forged),
        ("a signature that is cut", truncated),
        ("claims of another token", swapped()),
        ("algorithm none", under(r#"{"alg":"none"}"#)),
        ("algorithm none, unsigned", unsigned),
        ("algorithm HS512", hs512),
        ("algorithm RS256", under(r#"{"alg":"RS256","typ":"JWT"}"#)),
        ("garbage", "garbage".to_owned()),
        ("garbage in three parts", "a.b.c".to_owned()),
        ("nothing", String::new()),
    ];
    let bearer = table.map(|(name, token)| (name, vec![format!("Bearer {token}")]));
    let good = signed(|_| {});
    let mut all = Vec::from(bearer);
    all.push(("another scheme", vec![format!("Basic {good}")]));
    all.push(("no scheme", vec![good.clone()]));
    all.push((
        "two tokens",
        vec![format!("Bearer {good}"), format!("Bearer {good}")],
    ));
    all
}
