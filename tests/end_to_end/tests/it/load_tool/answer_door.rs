//! A door in front of command-api that sees which keys are sent, and can lose answers or be busy.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
};
use tokio::{net::TcpListener, task::JoinHandle};

pub struct AnswerDoor {
    /// Where clients are to go.
    pub endpoint: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    http: reqwest::Client,
    server: String,
    may_pass: AtomicUsize,
    busy: AtomicUsize,
    /// How the keys end that do not come to the server.
    held_back: Mutex<Option<String>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// How often each key came to the server.
    keys: HashMap<String, usize>,
    passed: usize,
    lost: usize,
    replayed: usize,
}

impl AnswerDoor {
    /// A door to `http://host:port` that lets every answer through.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            http: reqwest::Client::new(),
            server: server.to_owned(),
            may_pass: AtomicUsize::new(usize::MAX),
            busy: AtomicUsize::new(0),
            held_back: Mutex::default(),
            seen: Mutex::default(),
        });
        let routes = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            axum::serve(listener, routes).await.unwrap();
        });
        Self {
            endpoint,
            shared,
            task,
        }
    }

    /// Lets so many answers through in all. What comes behind them is done by the server, and its answer is lost.
    pub fn let_pass(&self, answers: usize) {
        self.shared.may_pass.store(answers, Ordering::SeqCst);
    }

    /// Turns the next requests away, as a busy server does.
    pub fn be_busy(&self, requests: usize) {
        self.shared.busy.store(requests, Ordering::SeqCst);
    }

    /// Keeps requests whose key ends so from the server, and never answers them.
    pub fn hold_back(&self, end: &str) {
        *self.shared.held_back.lock().unwrap() = Some(end.to_owned());
    }

    /// Lets all go to the server that come from now on.
    pub fn hold_back_nothing(&self) {
        *self.shared.held_back.lock().unwrap() = None;
    }

    /// Answers that came through.
    pub fn passed(&self) -> usize {
        self.shared.seen.lock().unwrap().passed
    }

    /// Answers that were lost.
    pub fn lost(&self) -> usize {
        self.shared.seen.lock().unwrap().lost
    }

    /// Answers by which the server said that it had given them before.
    pub fn replayed(&self) -> usize {
        self.shared.seen.lock().unwrap().replayed
    }

    /// How often each key came to the server.
    pub fn keys(&self) -> HashMap<String, usize> {
        self.shared.seen.lock().unwrap().keys.clone()
    }
}

impl Drop for AnswerDoor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    State(door): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let take_one = |left: usize| left.checked_sub(1);
    if door
        .busy
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_one)
        .is_ok()
    {
        let busy = Response::builder()
            .status(StatusCode::SERVICE_UNAVAILABLE)
            .header("Retry-After", "1");
        return busy.body(Body::empty()).unwrap();
    }
    let header = |name: &str| headers.get(name).unwrap().clone();
    let key = header("idempotency-key").to_str().unwrap().to_owned();
    let is_held_back = {
        let end = door.held_back.lock().unwrap();
        end.as_deref().is_some_and(|end| key.ends_with(end))
    };
    if is_held_back {
        std::future::pending::<()>().await;
    }
    *door.seen.lock().unwrap().keys.entry(key).or_default() += 1;
    let request = door
        .http
        .request(method, format!("{}{uri}", door.server))
        .header("Idempotency-Key", header("idempotency-key"))
        .header("Authorization", header("authorization"))
        .header("Content-Type", header("content-type"))
        .body(body);
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.unwrap();
    let is_lost = {
        let mut seen = door.seen.lock().unwrap();
        seen.replayed += usize::from(headers.contains_key("idempotency-replayed"));
        let is_lost = seen.passed >= door.may_pass.load(Ordering::SeqCst);
        match is_lost {
            true => seen.lost += 1,
            false => seen.passed += 1,
        }
        is_lost
    };
    if is_lost {
        // Until its client is gone.
        std::future::pending::<()>().await;
    }
    let passed = headers.iter().filter(|(name, _)| {
        ["etag", "content-type", "retry-after", "idempotency-replayed"].contains(&name.as_str())
    });
    let mut response = Response::builder().status(status);
    for (name, value) in passed {
        response = response.header(name, value);
    }
    response.body(Body::from(bytes)).unwrap()
}
