//! `depot-faults`: FAULTS=N faults (all classes on all targets twice if not given) of SEED=S (the time if not given).
//!
//! A fault that the machine does not allow (root mounts the small disk, libfaketime moves clocks) makes the end a failure,
//! unless FAULTS_MAY_SKIP=1.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use depot_faults::{
    Programs,
    campaign::{self, Options},
};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    depot_service::install_crypto_provider();
    let program = std::env::current_exe()?;
    let folder = program.parent().context("a program lies in a folder")?.to_owned();
    let seed =
        number("SEED")?.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs()));
    let faults = number("FAULTS")?;
    let kept = std::env::var_os("FAULTS_KEPT").map_or_else(|| folder.with_file_name("faults"), PathBuf::from);
    let sabotage = std::env::var("SABOTAGE").ok().filter(|name| !name.is_empty());
    let outcome = campaign::run(Options {
        seed,
        quiet_within: match sabotage {
            Some(_) => campaign::QUIET_WITHIN_SABOTAGED,
            None => campaign::QUIET_WITHIN,
        },
        faults: faults.map(|count| count as usize),
        programs: Programs {
            sabotage: sabotage.map(|name| (folder.join("depot-sabotaged"), name)),
            folder,
        },
        may_skip: std::env::var("FAULTS_MAY_SKIP").is_ok_and(|value| value == "1"),
        kept: kept.join(seed.to_string()),
    })
    .await?;
    println!("{}", outcome.last_line);
    Ok(if outcome.is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn number(name: &str) -> Result<Option<u64>> {
    let Ok(text) = std::env::var(name) else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .with_context(|| format!("{name} is to be a number, not {text:?}"))
}
