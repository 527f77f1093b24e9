//! Every route of every service against every caller and every broken token. Routes are taken from the OpenAPI
//! documents, the proto descriptors and the routers' sources: one that has no row here fails.

mod grpc;
mod rest;
mod scene;
mod tokens;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use depot_end_to_end::{Answer, Depot};
use depot_service::auth::Role;
use reqwest::{Client, Method, RequestBuilder, StatusCode, redirect::Policy};
use serde_json::Value;

use rest::{Host, Row};
use scene::Scene;

/// Who may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Health, documentation, probes.
    Nothing,
    /// A valid token, whatever it allows.
    Token,
    Reader,
    Writer,
    /// To read what belongs to alice.
    ReaderWhoOwns,
    /// To change what belongs to alice.
    WriterWhoOwns,
    Admin,
}

/// Who asks. What is asked for belongs to alice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    WithoutToken,
    /// Alice, by a token without a role.
    OwnerWithoutRole,
    Reader,
    OwnerWhoReads,
    OtherWriter,
    OwnerWhoWrites,
    Admin,
}

impl Caller {
    pub const ALL: [Caller; 7] = [
        Self::WithoutToken,
        Self::OwnerWithoutRole,
        Self::Reader,
        Self::OwnerWhoReads,
        Self::OtherWriter,
        Self::OwnerWhoWrites,
        Self::Admin,
    ];

    pub fn token(self) -> Option<String> {
        let (subject, roles): (_, &[Role]) = match self {
            Self::WithoutToken => return None,
            Self::OwnerWithoutRole => ("alice", &[]),
            Self::Reader => ("rita", &[Role::Reader]),
            Self::OwnerWhoReads => ("alice", &[Role::Reader]),
            Self::OtherWriter => ("bob", &[Role::Writer]),
            Self::OwnerWhoWrites => ("alice", &[Role::Writer]),
            Self::Admin => ("root", &[Role::Admin]),
        };
        Some(tokens::good(subject, roles))
    }
}

/// What the door says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Passes,
    /// 401, UNAUTHENTICATED.
    Unknown,
    /// 403, PERMISSION_DENIED.
    NotAllowed,
}

pub fn verdict(needs: Needs, caller: Caller) -> Verdict {
    use Caller::*;
    let allowed: &[Caller] = match needs {
        Needs::Nothing => return Verdict::Passes,
        _ if caller == WithoutToken => return Verdict::Unknown,
        Needs::Token => return Verdict::Passes,
        Needs::Reader => &[Reader, OwnerWhoReads, OtherWriter, OwnerWhoWrites, Admin],
        Needs::Writer => &[OtherWriter, OwnerWhoWrites, Admin],
        Needs::ReaderWhoOwns => &[OwnerWhoReads, OwnerWhoWrites, Admin],
        Needs::WriterWhoOwns => &[OwnerWhoWrites, Admin],
        Needs::Admin => &[Admin],
    };
    if allowed.contains(&caller) {
        Verdict::Passes
    } else {
        Verdict::NotAllowed
    }
}

/// Small limits, so that an upload in parts is a few bytes of JSON.
async fn depot() -> Depot {
    Depot::start_with(&[
        // So that its route is there.
        ("DEV_TOKEN_ENABLED", "true"),
        ("MULTIPART_OVER_BYTES", "1000000"),
        ("MULTIPART_PART_BYTES", "5242880"),
        ("RATE_LIMIT_PER_SECOND", "0"),
    ])
    .await
    .unwrap()
}

fn http() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    // A stream of events goes on for as long as it is let; whoever has its head was let in.
    let is_stream = headers
        .get("content-type")
        .is_some_and(|kind| kind == "text/event-stream");
    Answer {
        status,
        headers,
        bytes: if is_stream {
            bytes::Bytes::new()
        } else {
            response.bytes().await.unwrap()
        },
    }
}

fn is_problem(answer: &Answer) -> bool {
    answer.header("content-type") == Some("application/problem+json")
        && answer.json()["status"] == answer.status.as_u16()
}

/// One stack for all of it, since starting four services takes longer than asking them.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_and_method_lets_in_whom_it_is_for_and_nobody_else() {
    let depot = depot().await;
    let scene = Scene::set(&depot).await;
    every_documented_operation_has_a_row(&depot).await;
    every_caller_meets_its_verdict(&depot, &scene).await;
    no_broken_token_opens_a_route(&depot, &scene).await;
    no_path_has_a_method_without_a_row(&depot, &scene).await;
    grpc::check(&depot, &scene).await;
    scene.is_untouched(&depot).await;
}

async fn every_caller_meets_its_verdict(depot: &Depot, scene: &Scene) {
    let http = http();
    let mut wrong = Vec::new();
    let mut asked = 0;
    for row in rest::rows() {
        for caller in Caller::ALL {
            let expected = verdict(row.needs, caller);
            // What a caller may change is its own, so that no row takes from another.
            let fresh = match expected {
                Verdict::Passes if row.changes() => Some(scene.fresh(depot).await),
                _ => None,
            };
            let request = row.request(&http, depot, fresh.as_ref().unwrap_or(scene));
            let request = match caller.token() {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let answer = send(request).await;
            asked += 1;
            let status = answer.status.as_u16();
            let as_expected = match expected {
                Verdict::Passes => row.passes.contains(&status),
                Verdict::Unknown => {
                    status == 401
                        && is_problem(&answer)
                        && answer.header("www-authenticate") == Some(r#"Bearer realm="depot""#)
                }
                Verdict::NotAllowed => status == 403 && is_problem(&answer),
            };
            if !as_expected {
                wrong.push(format!(
                    "{row:?} by {caller:?}: {expected:?} expected, {answer:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked >= 7 * 45, "only {asked} requests were made");
}

async fn no_broken_token_opens_a_route(depot: &Depot, scene: &Scene) {
    let http = http();
    let mut wrong = Vec::new();
    let mut asked = 0;
    for row in rest::rows().into_iter().filter(|row| row.needs != Needs::Nothing) {
        for (name, values) in tokens::broken() {
            let request = row.request(&http, depot, scene);
            let request = values
                .iter()
                .fold(request, |request, value| request.header("authorization", value));
            let answer = send(request).await;
            asked += 1;
            let told = String::from_utf8_lossy(&answer.bytes).into_owned();
            let repeats_it = values
                .iter()
                .any(|value| value.len() > 20 && told.contains(value));
            if answer.status != 401 || !is_problem(&answer) || repeats_it {
                wrong.push(format!("{row:?} with {name}: {answer:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked >= 40 * 15, "only {asked} requests were made");
}

/// An admin asks each path of every port by each method that has no row there: all are answered that there is none.
async fn no_path_has_a_method_without_a_row(depot: &Depot, scene: &Scene) {
    let (http, token) = (http(), Caller::Admin.token().unwrap());
    let rows = rest::rows();
    let has_row = |host, path, method: &Method| {
        let same = |row: &&Row| (row.host == host || row.host == Host::Shared) && row.path == path;
        let methods = rows.iter().filter(same).map(|row| &row.method);
        // Routers answer HEAD where they answer GET.
        let asked = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        methods.into_iter().any(|known| known == asked)
    };
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
    ];
    let (mut wrong, mut asked, mut places) = (Vec::new(), 0, BTreeSet::new());
    for row in &rows {
        if !places.insert((format!("{:?}", row.host), row.path)) {
            continue;
        }
        for method in methods
            .iter()
            .filter(|method| !has_row(row.host, row.path, method))
        {
            for request in row.by_method(method, &http, depot, scene) {
                let answer = send(request.bearer_auth(&token)).await;
                asked += 1;
                // On the public ports the layer of CORS answers whatever asks for permission.
                let is_permission = method == Method::OPTIONS
                    && !row.is_on_admin_port()
                    && answer.status == StatusCode::OK
                    && answer.bytes.is_empty();
                // What takes every path that no route has says so to every method.
                let is_nowhere = row.path.ends_with("/{*rest}")
                    && row.passes == [404]
                    && answer.status == StatusCode::NOT_FOUND;
                if answer.status != StatusCode::METHOD_NOT_ALLOWED && !is_permission && !is_nowhere {
                    wrong.push(format!("{method} {} of {:?}: {answer:?}", row.path, row.host));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "without a row:\n{}", wrong.join("\n"));
    assert!(asked >= 40 * 5, "only {asked} requests were made");
}

/// `METHOD path` of each operation that an API says it has.
fn documented(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods
            .filter(|key| {
                ["get", "put", "post", "patch", "delete", "head", "options"].contains(&key.as_str())
            })
            .map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

async fn every_documented_operation_has_a_row(depot: &Depot) {
    for (host, url) in [
        (Host::Command, depot.command_url()),
        (Host::Query, depot.query_url()),
    ] {
        let document = send(http().get(format!("{url}/api/v1/openapi.json"))).await;
        let documented = documented(&document.json());
        let rows: BTreeSet<_> = rest::rows()
            .iter()
            .filter(|row| row.host == host || row.host == Host::Shared)
            .map(Row::name)
            .collect();
        let missing: Vec<_> = documented.difference(&rows).collect();
        assert!(missing.is_empty(), "{host:?}, without a row: {missing:?}");
        assert!(documented.len() >= 9, "{host:?}: only {documented:?}");
    }
}

/// A route that has a row is in the API's document, unless it is none to be asked for by its address.
#[test]
fn every_row_of_an_api_is_in_its_document() {
    for (host, api, at_least) in [(Host::Command, "command-api", 25), (Host::Query, "query-api", 9)] {
        let file = format!("{}/../../schemas/openapi/{api}.json", env!("CARGO_MANIFEST_DIR"));
        let document: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let documented = documented(&document);
        // The way to the query API is told for all of them at once; what a page loads is the page's.
        let is_told_otherwise = |row: &Row| {
            row.passes == [307] && host == Host::Command
                || row.path.contains("{*rest}")
                || ["/docs/{file}", "/", "/console/config.json", "/dev/token"].contains(&row.path)
        };
        let rows = rest::rows();
        let rows = rows
            .iter()
            .filter(|row| row.host == host || (row.host == Host::Shared && row.is_of_both_apis()));
        let names: BTreeSet<_> = rows
            .filter(|row| !is_told_otherwise(row))
            .map(Row::name)
            .collect();
        let missing: Vec<_> = names.difference(&documented).collect();
        assert!(missing.is_empty(), "{api}, not in its document: {missing:?}");
        assert!(names.len() >= at_least, "{api}: only {names:?}");
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The paths that stand in `.route("…"` of a folder's or file's code.
fn routed(place: &str) -> BTreeSet<String> {
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(place);
    let mut files = Vec::new();
    if place.is_dir() {
        sources(&place, &mut files);
    } else {
        files.push(place);
    }
    let mut paths = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let routes = text.split(".route(").skip(1);
        let literals = routes.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
        paths.extend(literals.map(str::to_owned));
    }
    paths
}

#[test]
fn every_path_that_a_router_has_has_a_row() {
    for (host, places) in [
        (Host::Command, ["command-api/src"].as_slice()),
        (Host::Query, &["query-api/src"]),
        (Host::UploaderAdmin, &["uploader/src"]),
        (Host::ProjectorAdmin, &["projector/src"]),
        // In the documents of both APIs, and on every admin port.
        (Host::Shared, &["crates/service/src"]),
    ] {
        let rows: BTreeSet<_> = rest::rows()
            .into_iter()
            .filter(|row| row.host == host || host == Host::Shared)
            .filter_map(|row| row.path.split('?').next().map(str::to_owned))
            .collect();
        let routed: BTreeSet<_> = places.iter().flat_map(|place| routed(place)).collect();
        let missing: Vec<_> = routed.difference(&rows).collect();
        assert!(missing.is_empty(), "{host:?}, without a row: {missing:?}");
        assert!(!routed.is_empty(), "{host:?}");
    }
}
