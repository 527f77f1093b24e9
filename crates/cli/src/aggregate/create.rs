use std::process::ExitCode;

use reqwest::Method;

use super::{EXIT_CODES, body::Body, print};
use crate::{
    help,
    item::{
        asking::Asking,
        error::{ItemError, fail},
        write::{self, Key},
    },
    rest::{Answer, Rest, Server, path},
};

/// Creates one, which the token's subject owns, and prints it.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(EXIT_CODES, &[
    "depot aggregate create orders --body '{\"customer\": \"alice\"}'",
    "depot aggregate create orders --from order.json --key order-4711 --json",
]))]
pub struct Arguments {
    /// What it is, in the plural, as the path has it.
    kind: String,
    #[command(flatten)]
    body: Body,
    #[command(flatten)]
    key: Key,
    #[command(flatten)]
    asking: Asking,
    /// Print it as one JSON object.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let body = match arguments.body.text().await {
        Ok(body) => body,
        Err(error) => return fail(arguments.json, &error),
    };
    let key = arguments.key.chosen(arguments.json);
    print::finish(arguments.json, &key, create(arguments, &key, body).await)
}

async fn create(arguments: &Arguments, key: &str, body: String) -> Result<Answer, ItemError> {
    let path = path(&[&arguments.kind], &[]);
    let request = |rest: &Rest| {
        rest.request(Server::CommandApi, Method::POST, &path)
            .header("Content-Type", "application/json")
            .body(body.clone())
    };
    write::send("create one", key, &arguments.asking, request).await
}
