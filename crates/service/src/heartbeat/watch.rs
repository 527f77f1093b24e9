//! The route, and the checks of readiness behind it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{CHECKS_WITHIN, Heartbeat, Vitals, figure};
use crate::health::{Readiness, ReadinessReport, Waiting};
use crate::metrics::Metrics;
use crate::process::instance_name;

/// Checks that began no longer ago than this are not asked for again: several may ask for the heartbeat.
const YOUNG: Duration = Duration::from_millis(500);
/// Between the end of the checks and their next begin.
const REST: Duration = Duration::from_millis(200);

type Looked = Option<(Instant, ReadinessReport)>;

/// What the route is made of. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pulse(Arc<Inner>);

struct Inner {
    vitals: Vitals,
    instance: String,
    started_at: OffsetDateTime,
    readiness: Readiness,
    metrics: Metrics,
    asked: Arc<Notify>,
    looked: watch::Receiver<Looked>,
}

impl Pulse {
    /// A pulse, and the task that looks when it is asked, until cancelled: the checks take what they take, and are never cut off
    /// by one who does not wait so long.
    pub fn new(
        vitals: Vitals,
        readiness: Readiness,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let asked = Arc::new(Notify::new());
        let (tell, looked) = watch::channel(None);
        let looking = look_when_asked(readiness.clone(), Arc::clone(&asked), tell, stop);
        let instance = instance_name(vitals.service);
        let pulse = Self(Arc::new(Inner {
            vitals,
            instance,
            started_at: OffsetDateTime::now_utc(),
            readiness,
            metrics,
            asked,
            looked,
        }));
        (pulse, looking)
    }

    /// `GET /heartbeat`.
    pub fn route(self) -> Router {
        Router::new().route("/heartbeat", get(tell)).with_state(self)
    }

    async fn beat(&self) -> Heartbeat {
        let Inner {
            vitals, readiness, ..
        } = &*self.0;
        let report = self.report().await;
        let draining = readiness.is_draining();
        let settings = vitals.settings.iter();
        Heartbeat {
            service: vitals.service.to_owned(),
            instance: self.0.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.0.started_at,
            ready: report.waiting_for.is_empty() && !draining,
            draining,
            waiting_for: report.waiting_for,
            figures: figure::read(vitals.figures, &self.0.metrics.render()),
            settings: settings
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    /// What the checks say now; after a while, what they said last, and that they are waited for.
    async fn report(&self) -> ReadinessReport {
        let mut looked = self.0.looked.clone();
        let young_from = Instant::now().checked_sub(YOUNG);
        let is_young = |looked: &Looked| {
            let begun = looked.as_ref().map(|(begun, _)| *begun);
            begun >= young_from && begun.is_some()
        };
        self.0.asked.notify_one();
        let young = timeout(CHECKS_WITHIN, looked.wait_for(is_young)).await;
        if let Ok(Ok(looked)) = young
            && let Some((_, report)) = &*looked
        {
            return report.clone();
        }
        let last = self.0.looked.borrow().clone();
        let mut report = last.map_or_else(ReadinessReport::nothing_known, |(_, report)| report);
        report.waiting_for.push(Waiting {
            name: "checks".to_owned(),
            reason: format!("no answer within {} ms", CHECKS_WITHIN.as_millis()),
        });
        report
    }
}

async fn tell(State(pulse): State<Pulse>) -> Json<Heartbeat> {
    Json(pulse.beat().await)
}

/// Runs the checks each time that somebody asked, one run at a time.
async fn look_when_asked(
    readiness: Readiness,
    asked: Arc<Notify>,
    tell: watch::Sender<Looked>,
    stop: CancellationToken,
) {
    while stop.run_until_cancelled(asked.notified()).await.is_some() {
        let begun = Instant::now();
        let Some(report) = stop.run_until_cancelled(readiness.report()).await else {
            return;
        };
        tell.send_replace(Some((begun, report)));
        stop.run_until_cancelled(sleep(REST)).await;
    }
}
