//! The document shows every exhibit, and no other. That it shows what they tell, each holds for itself (`story.rs`).

use std::{collections::BTreeSet, fs, path::Path};

use crate::story::{DOCUMENT, mark};

const EXHIBITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");

/// The files that tell a story of their name.
fn told() -> BTreeSet<String> {
    let files = fs::read_dir(EXHIBITS).unwrap().map(|entry| entry.unwrap().path());
    let exhibit = |file: &Path| {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let source = fs::read_to_string(file).unwrap();
        source.contains(&format!("Story::of(\"{name}\")")).then_some(name)
    };
    files.filter_map(|file| exhibit(&file)).collect()
}

#[test]
fn the_document_shows_every_exhibit_and_no_other() {
    let document = fs::read_to_string(DOCUMENT).unwrap();
    let marks = document
        .lines()
        .filter_map(|line| line.strip_prefix("<!-- exhibit: "));
    let shown: BTreeSet<String> = marks.map(|rest| rest.replace(" -->", "")).collect();
    let told = told();
    assert_eq!(shown, told);
    for name in &told {
        assert_eq!(document.matches(&mark(name)).count(), 1, "{name}");
    }
    // Whether the check still looks.
    assert!(told.len() >= 13, "{told:?}");
}

#[test]
fn every_exhibit_is_run() {
    let main = fs::read_to_string(Path::new(EXHIBITS).join("main.rs")).unwrap();
    for name in told() {
        assert!(main.contains(&format!("mod {name};")), "{name}");
        let source = fs::read_to_string(Path::new(EXHIBITS).join(format!("{name}.rs"))).unwrap();
        let tests = source.matches("#[tokio::test").count();
        assert_eq!((tests, source.matches(".end();").count()), (1, 1), "{name}");
    }
}
