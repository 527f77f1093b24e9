use std::process::ExitCode;

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{
    EXIT_CODES,
    asking::Asking,
    error::{ItemError, fail_to_write},
    write::{self, Key, Meant},
};
use crate::{
    help, output,
    rest::{Answer, Rest, Server, path},
};

/// Deletes an item.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(EXIT_CODES, &[
    "depot item delete 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f --version 2",
]))]
pub struct Arguments {
    /// The item's id.
    id: Uuid,
    #[command(flatten)]
    meant: Meant,
    #[command(flatten)]
    key: Key,
    #[command(flatten)]
    asking: Asking,
    /// Print one JSON object: the id, and the version of the deletion.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let key = arguments.key.chosen(arguments.json);
    let version = match delete(arguments, &key).await {
        Ok(answer) => answer.version,
        Err(error) => return fail_to_write(arguments.json, &error, &key),
    };
    if arguments.json {
        return output::end_json(&json!({ "id": arguments.id, "version_token": version }), 0);
    }
    let version = version.unwrap_or_default();
    output::end(
        &format!("{} is deleted, by its version {version}\n", arguments.id),
        0,
    )
}

async fn delete(arguments: &Arguments, key: &str) -> Result<Answer, ItemError> {
    let path = path(&["items", &arguments.id.to_string()], &[]);
    let request = |rest: &Rest| {
        rest.request(Server::CommandApi, Method::DELETE, &path)
            .header("If-Match", arguments.meant.header())
    };
    write::send("delete an item", key, &arguments.asking, request).await
}
