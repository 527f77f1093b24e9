//! A checker that finds nothing is to be one that would have found something.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output},
};

use depot_sabotage::Break;

/// The tool among them: it runs with the rights of an administrator.
const PROGRAMS: [&str; 5] = ["command-api", "query-api", "projector", "uploader", "depot"];
/// Names no break.
const NONE: &str = "none";

fn programs() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_depot-faults")).parent().unwrap()
}

/// By a program that is made for it: programs of hundreds of megabytes, looked through by a test without optimizations,
/// take minutes.
fn names_sabotage(program: &str) -> bool {
    let path = programs().join(program);
    let grep = Command::new("grep")
        .args(["-q", "-F", "DEPOT_SABOTAGE"])
        .arg(&path)
        .status();
    match grep.unwrap().code() {
        Some(0) => true,
        Some(1) => false,
        _ => panic!("{} cannot be read", path.display()),
    }
}

#[test]
fn the_programs_have_no_break_to_be_told_of() {
    for program in PROGRAMS {
        assert!(!names_sabotage(program), "{program}");
    }
}

/// What takes long is for `make test-all`; a test that does nothing says so past whatever captures its output.
fn is_long_run(test: &str) -> bool {
    let is_long_run = std::env::var_os("DEPOT_LONG").is_some();
    if !is_long_run {
        writeln!(std::io::stderr(), "NOT RUN: {test} is in `make test-all`").unwrap();
    }
    is_long_run
}

fn cargo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--locked")
        .output()
        .unwrap()
}

/// All of it, as the test below builds it.
const SABOTAGED: [&str; 5] = [
    "--workspace",
    "--bin",
    "depot-sabotaged",
    "--features",
    "depot-sabotaged/sabotage",
];

fn is_refused_for_release(arguments: &[&str]) {
    let checked = cargo(&[&["check", "--release"], arguments].concat());
    let error = String::from_utf8_lossy(&checked.stderr);
    assert!(
        !checked.status.success() && error.contains("and not for release"),
        "{error}"
    );
}

#[test]
fn no_break_can_be_built_for_release() {
    is_refused_for_release(&["--package", "depot-sabotage", "--features", "on"]);
}

/// Minutes, since it begins with all that the program is made of.
#[test]
fn a_sabotaged_program_cannot_be_built_for_release() {
    if is_long_run("a_sabotaged_program_cannot_be_built_for_release") {
        is_refused_for_release(&SABOTAGED);
    }
}

/// Two to three minutes each.
#[test]
fn each_break_is_seen_by_its_counter_and_none_where_there_is_none() {
    if !is_long_run("each_break_is_seen_by_its_counter_and_none_where_there_is_none") {
        return;
    }
    let built = cargo(&[&["build"], &SABOTAGED[..]].concat());
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    assert!(
        names_sabotage("depot-sabotaged"),
        "the search finds what is there"
    );
    let (output, out) = campaign(NONE);
    assert!(output.status.success(), "it finds what is not there: {out}");
    let mut unseen = Vec::new();
    for sabotage in Break::ALL {
        let (output, out) = campaign(sabotage.name());
        let counter = format!("{}=", sabotage.counter());
        let count = out
            .split_whitespace()
            .rev()
            .find_map(|word| word.strip_prefix(counter.as_str()));
        if output.status.success()
            || !count.is_some_and(|count| count.parse::<u64>().is_ok_and(|count| count > 0))
        {
            unseen.push(sabotage.name());
            println!("{out}{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    assert!(unseen.is_empty(), "breaks that nobody saw: {unseen:?}");
}

/// One without faults, on programs with that break.
fn campaign(sabotage: &str) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_depot-faults"))
        .envs([("FAULTS", "0"), ("SEED", "7"), ("SABOTAGE", sabotage)])
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    // Past what captures the test's output: what each break made the checker say is what one runs it for.
    writeln!(
        std::io::stderr(),
        "{sabotage}: {}",
        out.lines().last().unwrap_or_default()
    )
    .unwrap();
    (output, out)
}
