//! A row for each route: what it needs, how it is asked, and what it answers whom it lets in.

use depot_end_to_end::{Depot, Service, sha256_hex};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Needs,
    scene::{FILE, Scene},
};

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    Command,
    Query,
    UploaderAdmin,
    ProjectorAdmin,
    /// Routes of every admin port or of both APIs; asked of one of them.
    Shared,
}

/// A route.
#[derive(Debug)]
pub struct Row {
    pub host: Host,
    pub method: Method,
    /// As the router has it.
    pub path: &'static str,
    pub needs: Needs,
    /// What it answers whom it lets in.
    pub passes: &'static [u16],
    body: Body,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    None,
    Item,
    Items,
    Lines,
    Patch,
    Upload,
    Parts,
    File,
    Limit,
    Redrive,
    Discard,
    DiscardOne,
}

impl Row {
    /// `METHOD path`.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether it may change what it is asked about.
    pub fn changes(&self) -> bool {
        self.host == Host::Command && self.method != Method::GET
    }

    /// Where the route is, each place by its URL.
    fn bases(&self, depot: &Depot) -> Vec<String> {
        match self.host {
            Host::Command => vec![depot.command_url()],
            Host::Query => vec![depot.query_url()],
            Host::UploaderAdmin => vec![depot.admin_url(Service::Uploader, "")],
            Host::ProjectorAdmin => vec![depot.admin_url(Service::Projector, "")],
            Host::Shared if self.is_of_both_apis() => {
                vec![depot.query_url(), depot.command_url()]
            }
            Host::Shared => Service::ALL.map(|service| depot.admin_url(service, "")).to_vec(),
        }
    }

    /// Whether it is on an admin port, of which no layer answers in the place of the routes.
    pub fn is_on_admin_port(&self) -> bool {
        match self.host {
            Host::Command | Host::Query => false,
            Host::UploaderAdmin | Host::ProjectorAdmin => true,
            Host::Shared => !self.is_of_both_apis(),
        }
    }

    /// Of the shared ones.
    pub fn is_of_both_apis(&self) -> bool {
        let begins = ["/problems", "/docs"]
            .iter()
            .any(|begin| self.path.starts_with(begin));
        begins || self.path.ends_with("health") || self.path.ends_with("openapi.json")
    }

    /// The same path by another method and without a body, wherever the route is.
    pub fn by_method<'a>(
        &'a self,
        method: &'a Method,
        http: &'a Client,
        depot: &Depot,
        scene: &Scene,
    ) -> impl Iterator<Item = RequestBuilder> + 'a {
        let url = self.url(scene);
        let bases = self.bases(depot).into_iter();
        bases.map(move |base| http.request(method.clone(), format!("{base}{url}")))
    }

    pub fn request(&self, http: &Client, depot: &Depot, scene: &Scene) -> RequestBuilder {
        let base = self.bases(depot).swap_remove(0);
        let request = http
            .request(self.method.clone(), format!("{base}{}", self.url(scene)))
            .header("Idempotency-Key", Uuid::now_v7().to_string());
        let request = match (&self.method, self.path) {
            (&Method::PUT | &Method::PATCH | &Method::DELETE, "/api/v1/items/{id}") => {
                request.header("If-Match", format!("\"{}\"", scene.version))
            }
            _ => request,
        };
        self.with_body(request, scene)
    }

    /// The path with what the scene has in its places.
    fn url(&self, scene: &Scene) -> String {
        let upload = match (self.host, self.path) {
            (Host::Query, _) => &scene.stored,
            (_, path) if path.ends_with("/parts") => &scene.in_parts,
            _ => &scene.announced,
        };
        let id = if self.path.contains("/items/") {
            &scene.item
        } else {
            upload
        };
        let path = self
            .path
            .replace("{owner}", "alice")
            .replace("{aggregate}", &scene.item)
            .replace("{saga}/{id}", &format!("upload/{upload}"))
            .replace("{id}", id)
            .replace("{group}/{topic}/{partition}/{offset}", "projector/no.topic/0/0")
            .replace("{name}", "forbidden")
            .replace("{file}", "start.js")
            .replace("{projection}", "77")
            .replace("{*rest}", "history");
        match path.as_str() {
            "/admin/sweep" | "/api/v1/admin/sweep" => path + "?dry_run=true",
            _ => path,
        }
    }

    fn with_body(&self, request: RequestBuilder, scene: &Scene) -> RequestBuilder {
        let json = |body: Value| request.try_clone().unwrap().json(&body);
        match self.body {
            Body::None => request,
            Body::Item => json(json!({"name": "another's"})),
            Body::Items => json(json!({"items": [{"name": "another's"}]})),
            Body::Lines => request
                .header("Content-Type", "application/x-ndjson")
                .body("{\"name\":\"another's\"}\n"),
            Body::Patch => request
                .header("Content-Type", "application/merge-patch+json")
                .body(r#"{"name":"another's"}"#),
            Body::Upload => json(json!({
                "item_id": scene.item, "file_name": "a.bin", "content_type": "application/octet-stream",
                "size_bytes": 3, "sha256": sha256_hex(FILE),
            })),
            Body::Parts => json(json!({"first": 1, "count": 1})),
            Body::File => request
                .header("Content-Type", "application/octet-stream")
                .body(FILE),
            Body::Limit => json(json!({"limit_bytes": 1_000_000_000})),
            Body::Redrive => json(json!({"filter": {}, "dry_run": true})),
            Body::Discard => json(json!({"filter": {"group": "none"}, "note": "none", "dry_run": true})),
            Body::DiscardOne => json(json!({"note": "none"})),
        }
    }
}

type Columns = (Host, Method, &'static str, Needs, &'static [u16], Body);

pub fn rows() -> Vec<Row> {
    const GET: Method = Method::GET;
    const PUT: Method = Method::PUT;
    const POST: Method = Method::POST;
    const PATCH: Method = Method::PATCH;
    const DELETE: Method = Method::DELETE;
    use Body as B;
    use Host::*;
    use Needs as N;
    let rows: Vec<Columns> = vec![
        // Commands.
        (Command, POST, "/api/v1/items", N::Writer, &[201], B::Item),
        (Command, POST, "/api/v1/items:batch", N::Writer, &[200], B::Items),
        (Command, POST, "/api/v1/items:import", N::Writer, &[200], B::Lines),
        (
            Command,
            PUT,
            "/api/v1/items/{id}",
            N::WriterWhoOwns,
            &[200],
            B::Item,
        ),
        (
            Command,
            PATCH,
            "/api/v1/items/{id}",
            N::WriterWhoOwns,
            &[200],
            B::Patch,
        ),
        (
            Command,
            DELETE,
            "/api/v1/items/{id}",
            N::WriterWhoOwns,
            &[204],
            B::None,
        ),
        // To an item of alice's.
        (
            Command,
            POST,
            "/api/v1/uploads",
            N::WriterWhoOwns,
            &[201],
            B::Upload,
        ),
        (
            Command,
            DELETE,
            "/api/v1/uploads/{id}",
            N::WriterWhoOwns,
            &[204],
            B::None,
        ),
        (
            Command,
            POST,
            "/api/v1/uploads/{id}/complete",
            N::WriterWhoOwns,
            &[202],
            B::None,
        ),
        (
            Command,
            POST,
            "/api/v1/uploads/{id}/parts",
            N::WriterWhoOwns,
            &[200],
            B::Parts,
        ),
        (
            Command,
            GET,
            "/api/v1/uploads/{id}/parts",
            N::ReaderWhoOwns,
            &[200],
            B::None,
        ),
        (
            Command,
            PUT,
            "/api/v1/uploads/{id}/content",
            N::WriterWhoOwns,
            &[202],
            B::File,
        ),
        (
            Command,
            GET,
            "/api/v1/accounts/{owner}",
            N::ReaderWhoOwns,
            &[200],
            B::None,
        ),
        (
            Command,
            PUT,
            "/api/v1/accounts/{owner}/limit",
            N::Admin,
            &[200],
            B::Limit,
        ),
        // Reads that are answered with the way to the query API.
        (Command, GET, "/api/v1/items", N::Token, &[307], B::None),
        (Command, GET, "/api/v1/items:export", N::Token, &[307], B::None),
        (Command, GET, "/api/v1/items/{id}", N::Token, &[307], B::None),
        (
            Command,
            GET,
            "/api/v1/items/{id}/{*rest}",
            N::Token,
            &[307],
            B::None,
        ),
        (Command, GET, "/api/v1/uploads", N::Token, &[307], B::None),
        (Command, GET, "/api/v1/uploads/{id}", N::Token, &[307], B::None),
        (
            Command,
            GET,
            "/api/v1/uploads/{id}/content",
            N::Token,
            &[307],
            B::None,
        ),
        (
            Command,
            GET,
            "/api/v1/uploads/{id}/{*rest}",
            N::Token,
            &[307],
            B::None,
        ),
        // Operators.
        (Command, GET, "/api/v1/admin/outbox", N::Admin, &[200], B::None),
        (
            Command,
            POST,
            "/api/v1/admin/outbox/parked/{aggregate}/resume",
            N::Admin,
            &[404],
            B::None,
        ),
        (Command, GET, "/api/v1/admin/dlq", N::Admin, &[200], B::None),
        (
            Command,
            POST,
            "/api/v1/admin/dlq/redrive",
            N::Admin,
            &[202],
            B::Redrive,
        ),
        (
            Command,
            POST,
            "/api/v1/admin/dlq/discard",
            N::Admin,
            &[202],
            B::Discard,
        ),
        (
            Command,
            GET,
            "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}",
            N::Admin,
            &[404],
            B::None,
        ),
        (
            Command,
            POST,
            "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}/redrive",
            N::Admin,
            &[404],
            B::None,
        ),
        (
            Command,
            POST,
            "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}/discard",
            N::Admin,
            &[404],
            B::DiscardOne,
        ),
        (Command, GET, "/api/v1/admin/sagas", N::Admin, &[200], B::None),
        (
            Command,
            GET,
            "/api/v1/admin/sagas/{saga}/{id}",
            N::Admin,
            &[200],
            B::None,
        ),
        (
            Command,
            POST,
            "/api/v1/admin/sagas/{saga}/{id}/resume",
            N::Admin,
            &[409],
            B::None,
        ),
        (Command, POST, "/api/v1/admin/sweep", N::Admin, &[200], B::None),
        (Command, GET, "/api/v1/admin/republish", N::Admin, &[200], B::None),
        (
            Command,
            POST,
            "/api/v1/admin/republish",
            N::Admin,
            &[202],
            B::None,
        ),
        (Command, GET, "/api/v1/admin/{*rest}", N::Admin, &[404], B::None),
        (
            Command,
            DELETE,
            "/api/v1/admin/{*rest}",
            N::Admin,
            &[404],
            B::None,
        ),
        // Of the upload that is announced.
        (
            Command,
            GET,
            "/api/v1/admin/trace/{id}",
            N::Admin,
            &[200],
            B::None,
        ),
        // Questions.
        (Query, GET, "/api/v1/items", N::Reader, &[200], B::None),
        (Query, GET, "/api/v1/items:export", N::Reader, &[200], B::None),
        (Query, GET, "/api/v1/items/{id}", N::Reader, &[200], B::None),
        (
            Query,
            GET,
            "/api/v1/items/{id}/history",
            N::Reader,
            &[200],
            B::None,
        ),
        (
            Query,
            GET,
            "/api/v1/uploads/{id}",
            N::ReaderWhoOwns,
            &[200],
            B::None,
        ),
        (
            Query,
            GET,
            "/api/v1/uploads/{id}/content",
            N::ReaderWhoOwns,
            &[307],
            B::None,
        ),
        (
            Query,
            GET,
            "/api/v1/uploads/{id}/thumbnail",
            N::ReaderWhoOwns,
            &[307],
            B::None,
        ),
        (Query, GET, "/api/v1/stream", N::Reader, &[200], B::None),
        (Query, GET, "/api/v1/statistics", N::Reader, &[200], B::None),
        (Query, GET, "/api/v1/statistics/tags", N::Reader, &[200], B::None),
        (
            Query,
            GET,
            "/api/v1/statistics/owners",
            N::Reader,
            &[200],
            B::None,
        ),
        // Of the upload that is stored.
        (Query, GET, "/api/v1/admin/trace/{id}", N::Admin, &[200], B::None),
        (Query, GET, "/api/v1/admin/pipeline", N::Admin, &[200], B::None),
        (Query, GET, "/api/v1/admin/{*rest}", N::Admin, &[404], B::None),
        // The console, which is the same for everybody. What has no body gets no token.
        (Query, GET, "/", N::Nothing, &[200], B::None),
        (Query, GET, "/console/config.json", N::Nothing, &[200], B::None),
        (Query, GET, "/console/{*rest}", N::Nothing, &[404], B::None),
        (Query, POST, "/dev/token", N::Nothing, &[415], B::None),
        // The uploader's admin port.
        (UploaderAdmin, POST, "/admin/sweep", N::Admin, &[200], B::None),
        (UploaderAdmin, GET, "/admin/receipts", N::Admin, &[200], B::None),
        // Of the upload which is announced, and of which the uploader knows nothing.
        (
            UploaderAdmin,
            POST,
            "/admin/uploads/{id}/forget",
            N::Admin,
            &[200],
            B::None,
        ),
        (UploaderAdmin, GET, "/admin/{*rest}", N::Admin, &[404], B::None),
        // The projector's admin port. There is no version 77 of the views, and none served before.
        (
            ProjectorAdmin,
            GET,
            "/admin/projections",
            N::Admin,
            &[200],
            B::None,
        ),
        (
            ProjectorAdmin,
            POST,
            "/admin/projections",
            N::Admin,
            &[201],
            B::None,
        ),
        (
            ProjectorAdmin,
            POST,
            "/admin/projections/rollback",
            N::Admin,
            &[409],
            B::None,
        ),
        (
            ProjectorAdmin,
            DELETE,
            "/admin/projections/{projection}",
            N::Admin,
            &[404],
            B::None,
        ),
        (
            ProjectorAdmin,
            POST,
            "/admin/projections/{projection}/compare",
            N::Admin,
            &[404],
            B::None,
        ),
        (
            ProjectorAdmin,
            POST,
            "/admin/projections/{projection}/switch",
            N::Admin,
            &[404],
            B::None,
        ),
        (ProjectorAdmin, GET, "/admin/{*rest}", N::Admin, &[404], B::None),
        // Every admin port, and both APIs.
        (Shared, GET, "/metrics", N::Nothing, &[200], B::None),
        (Shared, GET, "/livez", N::Nothing, &[200], B::None),
        (Shared, GET, "/readyz", N::Nothing, &[200, 503], B::None),
        (Shared, GET, "/startupz", N::Nothing, &[200], B::None),
        (Shared, GET, "/heartbeat", N::Nothing, &[200], B::None),
        // A profile of no time is refused, and by nobody at the door.
        (
            Shared,
            GET,
            "/debug/pprof/profile?seconds=0",
            N::Nothing,
            &[400],
            B::None,
        ),
        (
            Shared,
            GET,
            "/debug/pprof/flamegraph?seconds=0",
            N::Nothing,
            &[400],
            B::None,
        ),
        // None is sampled here, and that is what it says, to anybody.
        (Shared, GET, "/debug/pprof/heap", N::Nothing, &[404], B::None),
        (Shared, GET, "/debug/tasks", N::Nothing, &[200], B::None),
        (Shared, GET, "/health", N::Nothing, &[200], B::None),
        (Shared, GET, "/api/v1/health", N::Nothing, &[200], B::None),
        (Shared, GET, "/problems", N::Nothing, &[200], B::None),
        (Shared, GET, "/problems/{name}", N::Nothing, &[200], B::None),
        (Shared, GET, "/api/v1/openapi.json", N::Nothing, &[200], B::None),
        (Shared, GET, "/docs", N::Nothing, &[200], B::None),
        (Shared, GET, "/docs/{file}", N::Nothing, &[200], B::None),
    ];
    rows.into_iter()
        .map(|(host, method, path, needs, passes, body)| Row {
            host,
            method,
            path,
            needs,
            passes,
            body,
        })
        .collect()
}
