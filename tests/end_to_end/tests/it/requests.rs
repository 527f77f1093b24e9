//! `docs/api.http`, sent from top to bottom.

use std::{collections::BTreeMap, fs};

use bytes::Bytes;
use depot_end_to_end::Depot;
use depot_service::auth::Role;
use reqwest::{Client, Method, redirect::Policy};
use serde_json::Value;

/// Variables by name, in the order in which they are set.
type Variables = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_file_is_answered_as_it_says() {
    let depot = Depot::start().await.unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.http");
    let text = fs::read_to_string(file).unwrap();
    let mut blocks = text.split("\n### ");
    let mut variables = Variables::new();
    set(&mut variables, blocks.next().unwrap(), &BTreeMap::new());
    variables.insert("command".to_owned(), depot.command_url());
    variables.insert("query".to_owned(), depot.query_url());
    variables.insert("token".to_owned(), depot.token("alice", Role::Admin));
    let http = Client::builder().redirect(Policy::none()).build().unwrap();
    let mut answers = BTreeMap::new();
    for block in blocks {
        let request = Request::read(&filled(block, &variables));
        let answer = request.send(&http).await;
        answers.insert(request.name, answer);
        set(&mut variables, block, &answers);
    }
    assert!(answers.len() >= 40, "only {} requests were sent", answers.len());
}

/// Reads `@name = value` lines; a value may be a text of an answer's body: `{{request.response.body.$.member}}`.
fn set(variables: &mut Variables, block: &str, answers: &BTreeMap<String, Value>) {
    for line in block.lines() {
        let Some((name, value)) = line.strip_prefix('@').and_then(|line| line.split_once(" = ")) else {
            continue;
        };
        let reference = value
            .strip_prefix("{{")
            .and_then(|value| value.strip_suffix("}}"));
        let value = match reference.and_then(|reference| reference.split_once(".response.body.$.")) {
            Some((request, member)) => answers[request][member].as_str().unwrap().to_owned(),
            None => value.to_owned(),
        };
        variables.insert(name.to_owned(), value);
    }
}

fn filled(block: &str, variables: &Variables) -> String {
    let fill =
        |text: String, (name, value): (&String, &String)| text.replace(&format!("{{{{{name}}}}}"), value);
    variables.iter().fold(block.to_owned(), fill)
}

struct Request {
    name: String,
    /// Statuses of which one is expected.
    expected: Vec<u16>,
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn read(block: &str) -> Self {
        let comment = |what: &str| {
            let found = block.lines().find_map(|line| line.strip_prefix(what));
            found
                .unwrap_or_else(|| panic!("no `{what}` in {block}"))
                .trim()
                .to_owned()
        };
        let mut lines = block.lines().skip(1).skip_while(|line| line.starts_with('#'));
        let (method, url) = lines.next().unwrap().split_once(' ').unwrap();
        let headers = lines.by_ref().take_while(|line| !line.is_empty());
        let headers = headers.map(|line| line.split_once(": ").unwrap());
        let headers = headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let body: Vec<_> = lines.filter(|line| !line.starts_with('@')).collect();
        Self {
            name: comment("# @name "),
            expected: comment("# answers ")
                .split(' ')
                .map(|status| status.parse().unwrap())
                .collect(),
            method: method.parse().unwrap(),
            url: url.to_owned(),
            headers,
            body: body.join("\n").trim().to_owned(),
        }
    }

    /// The answer's body as JSON; null where it has none. Of a stream of events the head is enough: it does not end.
    async fn send(&self, http: &Client) -> Value {
        let request = http.request(self.method.clone(), &self.url);
        let request = self
            .headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value));
        let request = if self.body.is_empty() {
            request
        } else {
            request.body(self.body.clone())
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers().get("content-type");
        let is_stream = kind.is_some_and(|kind| kind == "text/event-stream");
        let bytes = match is_stream {
            true => Bytes::new(),
            false => answer.bytes().await.unwrap(),
        };
        let told = String::from_utf8_lossy(&bytes);
        assert!(self.expected.contains(&status), "{}: {status} {told}", self.name);
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }
}
