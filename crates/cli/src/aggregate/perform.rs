use std::process::ExitCode;

use reqwest::Method;
use uuid::Uuid;

use super::{EXIT_CODES, body::Body, print};
use crate::{
    help,
    item::{
        asking::Asking,
        error::{ItemError, fail},
        write::{self, Key, Meant},
    },
    rest::{Answer, Rest, Server, path},
};

/// Gives one a command, and prints it as it is then.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(EXIT_CODES, &[
    "depot aggregate do orders 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f ship --version 1 --body '{\"carrier\": \"post\"}'",
    "depot aggregate do orders 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f cancel --latest",
]))]
pub struct Arguments {
    /// What it is, in the plural, as the path has it.
    kind: String,
    /// Its id.
    id: Uuid,
    /// The command, as it is declared.
    command: String,
    #[command(flatten)]
    meant: Meant,
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
    print::finish(arguments.json, &key, perform(arguments, &key, body).await)
}

async fn perform(arguments: &Arguments, key: &str, body: String) -> Result<Answer, ItemError> {
    let target = format!("{}:{}", arguments.id, arguments.command);
    let path = path(&[&arguments.kind, &target], &[]);
    let request = |rest: &Rest| {
        rest.request(Server::CommandApi, Method::POST, &path)
            .header("If-Match", arguments.meant.header())
            .header("Content-Type", "application/json")
            .body(body.clone())
    };
    write::send("give a command", key, &arguments.asking, request).await
}
