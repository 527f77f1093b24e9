//! The contracts of this tree against those of the versions that were released: `released/VERSION/`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{events, listed, openapi};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of the versions, by number.
fn releases() -> Vec<PathBuf> {
    let mut releases: Vec<_> = fs::read_dir(folder().join("released"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    let number = |path: &PathBuf| -> Vec<u64> {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.split('.').map(|part| part.parse().unwrap()).collect()
    };
    releases.sort_by_key(number);
    assert!(!releases.is_empty(), "no version is kept");
    releases
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Each JSON file of a folder, by its name.
fn files(folder: &Path) -> Vec<(String, Value)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                read(&path),
            )
        })
        .collect();
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    files
}

/// Within v1 an API of the last version is still there.
#[test]
fn no_api_breaks_a_client_of_the_last_version() {
    let last = releases().pop().unwrap();
    let apis = files(&last.join("openapi"));
    assert_eq!(apis.len(), 2, "{}", last.display());
    for (name, old) in apis {
        assert!(
            openapi::operations(&old).len() >= 9,
            "{name} of {}",
            last.display()
        );
        let breaks = openapi::breaks(&old, &read(&folder().join("openapi").join(&name)));
        assert!(
            breaks.is_empty(),
            "{name} since {}:\n{}",
            last.display(),
            listed(&breaks)
        );
    }
}

/// Topics are kept for ever, so every version counts, not only the last.
#[test]
fn no_event_breaks_a_reader_of_any_version_and_all_that_were_written_are_read() {
    for release in releases() {
        let old_schemas = files(&release.join("events"));
        assert!(old_schemas.len() >= 15, "{}", release.display());
        for (name, old) in old_schemas {
            // A type that is no longer written is still read, so its schema stays.
            let breaks = events::breaks(&old, &read(&folder().join("events").join(&name)));
            assert!(
                breaks.is_empty(),
                "{name} since {}:\n{}",
                release.display(),
                listed(&breaks)
            );
        }
    }
}
