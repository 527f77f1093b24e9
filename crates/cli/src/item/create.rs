use std::process::ExitCode;

use clap::ArgGroup;
use reqwest::Method;

use super::{
    EXIT_CODES,
    asking::Asking,
    content::Content,
    error::{ItemError, fail},
    write::{self, Key},
};
use crate::{
    help,
    rest::{Answer, Rest, Server, path},
};

/// Creates an item, which the token's subject owns, and prints it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = help::with_examples(EXIT_CODES, &[
        "depot item create --name 'A bicycle' --tag blue --attribute colour=blue --attribute gears:=7",
        "depot item create --from item.json --key order-4711 --json",
    ]),
    group = ArgGroup::new("named").required(true).args(["name", "from"]),
)]
pub struct Arguments {
    #[command(flatten)]
    content: Content,
    #[command(flatten)]
    key: Key,
    #[command(flatten)]
    asking: Asking,
    /// Print the item as one JSON object.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let body = match arguments.content.body().await {
        Ok(body) => body,
        Err(error) => return fail(arguments.json, &error),
    };
    let key = arguments.key.chosen(arguments.json);
    write::finish(arguments.json, &key, create(arguments, &key, body).await)
}

async fn create(arguments: &Arguments, key: &str, body: String) -> Result<Answer, ItemError> {
    let path = path(&["items"], &[]);
    let request = |rest: &Rest| {
        rest.request(Server::CommandApi, Method::POST, &path)
            .header("Content-Type", "application/json")
            .body(body.clone())
    };
    write::send("create an item", key, &arguments.asking, request).await
}
