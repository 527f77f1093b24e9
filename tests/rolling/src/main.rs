//! `depot-rolling [next|contract-first]`: rolls that version out, and `next` back again.
//! `depot-rolling tree FOLDER [PATCH…]`: makes this tree with those patches in a folder, as it is built.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result};
use depot_faults::site::Programs;
use depot_rolling::{
    next::{Next, write_tree},
    rehearsal::{self, Options},
};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    depot_service::install_crypto_provider();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => rehearse(Next::Expands).await,
        ["tree", folder, patches @ ..] => {
            write_tree(Path::new(folder), patches)?;
            Ok(ExitCode::SUCCESS)
        }
        [name] => rehearse(Next::named(name)?).await,
        _ => {
            anyhow::bail!("usage: depot-rolling [next|contract-first], or depot-rolling tree FOLDER [PATCH…]")
        }
    }
}

async fn rehearse(next: Next) -> Result<ExitCode> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("a program lies in a folder")?;
    let target = folder.parent().context("its folder lies in one")?;
    let outcome = rehearsal::run(Options {
        next: next.build(target).await?,
        current: Programs {
            folder: folder.to_owned(),
            sabotage: None,
        },
        goes_back: next == Next::Expands,
        kept: target.join("rolling/kept").join(next.name()),
    })
    .await?;
    println!("{}", outcome.last_line);
    Ok(if outcome.is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
