//! The connections of a listener: so many at a time, and none that says nothing, or takes nothing, for long.

mod stalled;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use metrics::{Unit, describe_gauge, gauge};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::health::Readiness;
use stalled::CutWhenStalled;

const OPEN: &str = "depot_connections_open";
/// After the system refused to accept, for example for want of file descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// What a listener allows.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Connections beyond this wait in the system's queue until one is closed.
    pub max_open: usize,
    /// A connection is closed that has not sent the head of its first request for so long, or of its next one.
    pub head_timeout: Duration,
    /// A connection is cut whose other side has taken nothing for so long of an answer that is there to be sent.
    pub stalled_after: Duration,
}

impl Default for ConnectionLimits {
    /// Longer than the minute for which proxies commonly keep connections that they may use again.
    fn default() -> Self {
        Self {
            max_open: 10_000,
            head_timeout: Duration::from_secs(75),
            stalled_after: Duration::from_secs(30),
        }
    }
}

/// Serves a router until `stop`; then no connection is accepted, and requests under way are finished. `name` is a metric's
/// label.
///
/// While the process drains, before `stop`, each answer is the last one on its connection, and says so: the client's next
/// request opens another, to whoever is ready. Otherwise it could be on its way into a connection that is being closed, and
/// its client could not tell whether it was taken.
pub async fn serve(
    name: String,
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    readiness: Readiness,
    stop: CancellationToken,
) {
    describe_gauge!(OPEN, Unit::Count, "Connections of a listener that are open");
    let open = gauge!(OPEN, "listener" => name);
    let places = Arc::new(Semaphore::new(limits.max_open.min(Semaphore::MAX_PERMITS)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout);
    // Routes as they are served: made of the router once, and shared by all connections.
    let router = router.with_state(());
    let connections = GracefulShutdown::new();
    loop {
        // Never closed.
        let place = Arc::clone(&places).acquire_owned();
        let accepted = async { (place.await, accept(&listener).await) };
        let Some((place, stream)) = stop.run_until_cancelled(accepted).await else {
            break;
        };
        let service = router
            .clone()
            .map_request(|request: Request<Incoming>| request.map(Body::new))
            .map_response(last_while_draining(readiness.clone()));
        let stream = TokioIo::new(CutWhenStalled::new(stream, limits.stalled_after));
        let connection = http.serve_connection(stream, TowerToHyperService::new(service));
        let connection = connections.watch(connection);
        let open = open.clone();
        // Joined below: the drain waits for all that are watched.
        tokio::spawn(async move {
            open.increment(1.0);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended before its request did");
            }
            open.decrement(1.0);
            drop(place);
        });
    }
    drop(listener);
    connections.shutdown().await;
}

fn last_while_draining(readiness: Readiness) -> impl Fn(Response<Body>) -> Response<Body> + Clone {
    move |mut response| {
        if readiness.is_draining() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small: waiting to fill a segment would cost 40 ms.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY was not set");
                }
                return stream;
            }
            Err(error) if went_away(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The client gave up while its connection waited to be accepted.
fn went_away(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
