use std::time::{Duration, Instant};

use anyhow::Result;
use depot_service::auth::Role;
use reqwest::{Client, StatusCode};

use super::Done;
use crate::{
    fault::Jump,
    site::{CLOCK_TAKES, Service, Site, TOKENS_LIVE, token},
};

/// Further than any token of the campaign lives, and than `nbf` is forgiven.
const BY_SECONDS: i64 = 3 * 3_600;
const _: () = assert!(BY_SECONDS as u64 > TOKENS_LIVE.as_secs());
const ANSWER: Duration = Duration::from_secs(2);

/// What an instance said to a token that is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// Others are at it: it is away, or gives no answer.
    Nothing,
    Refused,
    Taken,
}

/// Moves the clocks, and back again. Tokens have to be refused meanwhile, whichever way it goes: ahead they have expired,
/// and behind they are not valid yet, by the `nbf` that they have.
pub(super) async fn jump(site: &Site, jump: Jump, hold: Duration) -> Result<Done> {
    let by = match jump {
        Jump::Ahead => BY_SECONDS,
        Jump::Back => -BY_SECONDS,
    };
    if !site.clock.set(by)? {
        return Ok(Done::NotHere("libfaketime is not installed"));
    }
    tokio::time::sleep(CLOCK_TAKES).await;
    let said = ask_for(site, hold).await;
    site.clock.set(0)?;
    tokio::time::sleep(CLOCK_TAKES).await;
    let takers: Vec<_> = said?
        .into_iter()
        .filter_map(|(service, said)| (said == Said::Taken).then_some(service.name()))
        .collect();
    Ok(if takers.is_empty() {
        Done::Injected
    } else {
        Done::Amiss(format!(
            "by a clock that is wrong by hours, a token was taken by {}",
            takers.join(" and ")
        ))
    })
}

/// Asks both APIs until `hold` has passed; the last answer of each counts.
async fn ask_for(site: &Site, hold: Duration) -> Result<Vec<(Service, Said)>> {
    let http = Client::builder().timeout(ANSWER).build()?;
    let token = token("campaign", Role::Writer)?;
    let mut said = Vec::new();
    let begun = Instant::now();
    for (service, url) in site.urls_on_a_clock() {
        said.push((service, url, Said::Nothing));
    }
    while begun.elapsed() < hold {
        for (service, url, said) in &mut said {
            let path = match service {
                Service::CommandApi => "/api/v1/accounts/campaign",
                _ => "/api/v1/items?limit=1",
            };
            let answer = http.get(format!("{url}{path}")).bearer_auth(&token).send().await;
            match answer.map(|answer| answer.status()) {
                Ok(StatusCode::UNAUTHORIZED) => *said = Said::Refused,
                Ok(status) if !status.is_server_error() => *said = Said::Taken,
                // Neither says anything of the token.
                Ok(_) | Err(_) => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(said
        .into_iter()
        .map(|(service, _, said)| (service, said))
        .collect())
}
