use std::process::ExitCode;

use serde_json::Value;

use super::{
    EXIT_CODES,
    print::{NAMES, row},
};
use crate::{
    help,
    item::{
        asking::Asking,
        pages::{self, Extent, List},
    },
};

/// Lists those that the token's subject owns, the newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(EXIT_CODES, &[
    "depot aggregate list orders --limit 10",
    "depot aggregate list orders --all --json > orders.ndjson",
]))]
pub struct Arguments {
    /// What they are, in the plural, as the path has it.
    kind: String,
    #[command(flatten)]
    extent: Extent,
    #[command(flatten)]
    asking: Asking,
    /// Print the API's document; with --all, a JSON object a line.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments) -> ExitCode {
    let list = List {
        asking: &arguments.asking,
        doing: "list them",
        segments: vec![&arguments.kind],
        member: &arguments.kind,
        query: Vec::new(),
        prefer: None,
    };
    let rows = |all: &[Value], names| pages::table(NAMES, all.iter().map(row), names);
    list.print(&arguments.extent, arguments.json, rows).await
}
