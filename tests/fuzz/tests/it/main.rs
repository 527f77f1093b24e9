#![cfg(test)]
//! What `make fuzz` kept, and changes of it that follow from a seed: for every run, and without its tools.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

use depot_fuzz::TARGETS;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Changed inputs of each target.
const ROUNDS: usize = 20_000;

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target)
}

/// In the order of their names, so that the seed means the same everywhere.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(folder(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn run(target: &str, function: fn(&[u8]), data: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| function(data))).is_err() {
        panic!("{target} breaks its promise for {}", data.escape_ascii());
    }
}

#[test]
fn every_input_that_was_kept_is_taken_or_refused() {
    for (target, function) in TARGETS {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{target} has no corpus");
        for data in corpus {
            run(target, function, &data);
        }
    }
}

#[test]
fn so_are_changes_of_it() {
    let mut rng = StdRng::seed_from_u64(20_261_128);
    for (target, function) in TARGETS {
        let corpus = corpus(target);
        for _ in 0..ROUNDS {
            let mut data = corpus[rng.random_range(0..corpus.len())].clone();
            for _ in 0..rng.random_range(1..=4) {
                change(&mut data, &corpus, &mut rng);
            }
            run(target, function, &data);
        }
    }
}

/// One step of what a fuzzer does: a byte, a piece out, a piece twice, or a piece of another input.
fn change(data: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut StdRng) {
    let at = rng.random_range(0..=data.len());
    let end = rng.random_range(at..=data.len());
    match rng.random_range(0..4) {
        0 if at < data.len() => data[at] = rng.random(),
        1 => drop(data.drain(at..end)),
        2 => {
            let piece = data[at..end].to_vec();
            data.splice(at..at, piece);
        }
        _ => {
            let other = &corpus[rng.random_range(0..corpus.len())];
            let from = rng.random_range(0..=other.len());
            data.splice(at..end, other[from..].iter().copied());
        }
    }
}

#[test]
fn every_target_has_its_program_and_its_corpus() {
    let guided = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("guided/fuzz_targets");
    let mut programs: Vec<_> = fs::read_dir(guided)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    programs.sort();
    assert_eq!(programs, TARGETS.map(|(name, _)| name));
    for (name, _) in TARGETS {
        assert!(folder(name).is_dir());
    }
}
