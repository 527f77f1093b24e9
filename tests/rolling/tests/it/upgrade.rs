use std::{
    io::Write as _,
    process::{Command, Output},
    sync::{Mutex, PoisonError},
};

/// A rehearsal has a machine for itself.
static ALONE: Mutex<()> = Mutex::new(());

/// What takes long is for `make test-all`; a test that does nothing says so past whatever captures its output.
fn is_long_run(test: &str) -> bool {
    let is_long_run = std::env::var_os("DEPOT_LONG").is_some();
    if !is_long_run {
        writeln!(std::io::stderr(), "NOT RUN: {test} is in `make test-all`").unwrap();
    }
    is_long_run
}

/// To that version, and its last line.
fn rehearse(next: &str) -> (Output, String) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO_BIN_EXE_depot-rolling"))
        .arg(next)
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{next}: {out}{}", String::from_utf8_lossy(&output.stderr));
    let last = out.lines().last().unwrap_or_default().to_owned();
    (output, last)
}

fn count(last_line: &str, name: &str) -> usize {
    let mut words = last_line.split(' ').filter_map(|word| word.split_once('='));
    let found = words.find(|(found, _)| *found == name);
    found.expect("it is counted").1.parse().unwrap()
}

#[test]
fn a_rollout_under_load_and_its_way_back_lose_nothing_and_no_client_notices() {
    if !is_long_run("a_rollout_under_load_and_its_way_back_lose_nothing_and_no_client_notices") {
        return;
    }
    let (output, last) = rehearse("next");
    assert!(output.status.success(), "{last}");
    assert_eq!(
        count(&last, "rolled"),
        16,
        "two of each service, and back: {last}"
    );
    for counter in ["5xx", "unanswered", "lost", "duplicated", "diverged"] {
        assert_eq!(count(&last, counter), 0, "{last}");
    }
}

#[test]
fn a_migration_that_contracts_before_everybody_has_moved_is_found() {
    if !is_long_run("a_migration_that_contracts_before_everybody_has_moved_is_found") {
        return;
    }
    let (output, last) = rehearse("contract-first");
    assert!(!output.status.success(), "nobody saw it: {last}");
    assert_eq!(
        count(&last, "rolled"),
        8,
        "it fails for what it finds, and not for want of a service: {last}"
    );
    assert!(
        count(&last, "5xx") > 0,
        "the version that runs cannot do without its column: {last}"
    );
}
