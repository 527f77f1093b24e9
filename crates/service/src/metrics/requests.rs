//! Answered requests, counted and timed.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};
use std::time::Duration;

use metrics::{Counter, Histogram, SharedString, counter, histogram};

use super::{REQUEST_LATENCY_SECONDS, REQUESTS_TOTAL};

/// The series of one route: one for each method and status, which are few.
type Series = Vec<(&'static str, &'static str, Requests)>;

/// Series that were looked up, by route: a look at the recorder builds, hashes and compares all labels, twice a request.
static KNOWN: LazyLock<RwLock<HashMap<String, Series>>> = LazyLock::new(RwLock::default);

#[derive(Clone)]
struct Requests {
    answered: Counter,
    latency: Histogram,
}

/// Records an answered request: HTTP or gRPC. `route` is a template, never a path with ids; `status` is a class such
/// as `2xx`, or a gRPC code such as `OK`.
pub fn record_request(method: &'static str, route: &str, status: &'static str, latency: Duration) {
    let record = |requests: &Requests| {
        requests.answered.increment(1);
        requests.latency.record(latency.as_secs_f64());
    };
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let of_these = |(of_method, of_status, _): &&(_, _, _)| (*of_method, *of_status) == (method, status);
    match known.get(route).and_then(|series| series.iter().find(of_these)) {
        Some((_, _, requests)) => record(requests),
        None => {
            drop(known);
            record(&learn(method, route, status));
        }
    }
}

/// What was looked up before there was a recorder counts nothing.
pub(super) fn forget() {
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).clear();
}

fn learn(method: &'static str, route: &str, status: &'static str) -> Requests {
    let labels = [
        ("method", SharedString::const_str(method)),
        ("route", SharedString::from(route.to_owned())),
        ("status", SharedString::const_str(status)),
    ];
    let requests = Requests {
        answered: counter!(REQUESTS_TOTAL, &labels),
        latency: histogram!(REQUEST_LATENCY_SECONDS, &labels),
    };
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let series = known.entry(route.to_owned()).or_default();
    series.push((method, status, requests.clone()));
    requests
}
