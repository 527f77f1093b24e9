use std::process::ExitCode;

use clap::ArgGroup;
use reqwest::Method;
use uuid::Uuid;

use super::{
    EXIT_CODES,
    asking::Asking,
    content::{Content, OPTIONS},
    error::{ItemError, fail},
    write::{self, Key, Meant},
};
use crate::{
    help,
    rest::{Answer, Rest, Server, path},
};

/// Changes what is given of an item, and leaves the rest; prints it as it is then.
#[derive(Debug, clap::Args)]
#[command(
    after_help = help::with_examples(EXIT_CODES, &[
        "depot item update 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f --version 1 --status active --attribute sold:=true",
        "depot item update 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f --latest --replace --from item.json",
    ]),
    group = ArgGroup::new("change").required(true).multiple(true).args(OPTIONS),
)]
pub struct Arguments {
    /// The item's id.
    id: Uuid,
    #[command(flatten)]
    meant: Meant,
    #[command(flatten)]
    content: Content,
    /// Replace the whole content: what is not given gets its default.
    #[arg(long)]
    replace: bool,
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
    write::finish(arguments.json, &key, update(arguments, &key, body).await)
}

async fn update(arguments: &Arguments, key: &str, body: String) -> Result<Answer, ItemError> {
    let path = path(&["items", &arguments.id.to_string()], &[]);
    let (method, media_type) = match arguments.replace {
        true => (Method::PUT, "application/json"),
        false => (Method::PATCH, "application/merge-patch+json"),
    };
    let request = |rest: &Rest| {
        rest.request(Server::CommandApi, method.clone(), &path)
            .header("If-Match", arguments.meant.header())
            .header("Content-Type", media_type)
            .body(body.clone())
    };
    write::send("change an item", key, &arguments.asking, request).await
}
