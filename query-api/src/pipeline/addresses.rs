//! Where the processes of a service are: each address that its names stand for.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    net::lookup_host,
    time::{Instant, timeout},
};
use url::Url;

/// A name is looked up again after so long: processes come and go.
const LOOKED_UP_EVERY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(1);
/// The most addresses that one service is asked at.
const MOST: usize = 64;

/// The admin ports of each service, as the settings name them; a name may stand for several addresses.
#[derive(Debug, Clone, Default)]
pub struct AdminAddresses {
    pub command_api: Vec<Url>,
    pub projector: Vec<Url>,
    pub uploader: Vec<Url>,
    pub query_api: Vec<Url>,
}

/// The addresses of one service, as they were last looked up.
#[derive(Debug)]
pub struct Lookup {
    urls: Vec<Url>,
    known: Vec<SocketAddr>,
    at: Option<Instant>,
}

impl Lookup {
    pub fn new(urls: Vec<Url>) -> Self {
        Self {
            urls,
            known: Vec::new(),
            at: None,
        }
    }

    /// The addresses; a name that cannot be looked up keeps none of those that it had.
    pub async fn addresses(&mut self) -> &[SocketAddr] {
        if self.at.is_none_or(|at| at.elapsed() >= LOOKED_UP_EVERY) {
            self.known = look_up(&self.urls).await;
            self.at = Some(Instant::now());
        }
        &self.known
    }

    /// As the settings name them, for people.
    pub fn named(&self) -> String {
        let named: Vec<_> = self.urls.iter().map(Url::as_str).collect();
        named.join(", ")
    }
}

async fn look_up(urls: &[Url]) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for url in urls {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            continue;
        };
        // An IPv6 address stands in brackets in a URL, and without them here.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(Ok(addresses)) = timeout(PATIENCE, lookup_host((host, port))).await {
            found.extend(addresses);
        }
    }
    found.sort_unstable();
    found.dedup();
    found.truncate(MOST);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_themselves_and_doubles_are_one() {
        let urls = [
            "http://127.0.0.1:9180",
            "http://[::1]:9180/",
            "http://127.0.0.1:9180/",
        ];
        let mut lookup = Lookup::new(urls.iter().map(|url| url.parse().unwrap()).collect());
        let expected: Vec<SocketAddr> =
            vec!["127.0.0.1:9180".parse().unwrap(), "[::1]:9180".parse().unwrap()];
        assert_eq!(lookup.addresses().await, expected);
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_has_no_address() {
        let mut lookup = Lookup::new(vec!["http://nowhere.invalid:1".parse().unwrap()]);
        assert!(lookup.addresses().await.is_empty());
    }
}
