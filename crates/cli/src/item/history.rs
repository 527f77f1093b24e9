use std::process::ExitCode;

use serde_json::Value;
use uuid::Uuid;

use super::{
    EXIT_CODES,
    asking::Asking,
    get::AtLeast,
    pages::{self, Extent, List},
    print::{CHANGE_NAMES, change_row},
};
use crate::help;

/// Shows an item's changes, the newest first. A deleted item keeps them.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(EXIT_CODES, &[
    "depot item history 0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f --min-version 2",
]))]
pub struct Arguments {
    /// The item's id.
    id: Uuid,
    #[command(flatten)]
    at_least: AtLeast,
    #[command(flatten)]
    extent: Extent,
    #[command(flatten)]
    asking: Asking,
    /// Print the API's document; with --all, a JSON object a line.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let (id, version) = (arguments.id.to_string(), arguments.at_least.version());
    let list = List {
        asking: &arguments.asking,
        doing: "show an item's history",
        segments: vec!["items", &id, "history"],
        member: "changes",
        query: version
            .iter()
            .map(|version| ("min_version", version.as_str()))
            .collect(),
        prefer: Some(arguments.at_least.preference()),
    };
    let rows = |changes: &[Value], names| pages::table(CHANGE_NAMES, changes.iter().map(change_row), names);
    list.print(&arguments.extent, arguments.json, rows).await
}
