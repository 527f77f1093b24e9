use std::{fs, path::PathBuf};

/// Fails if a file that is made from the code is not as the code has it. `DEPOT_WRITE_CONTRACTS=1` writes it anew.
///
/// `path` is from the top of the workspace.
#[track_caller]
pub fn assert_committed(path: &str, text: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("DEPOT_WRITE_CONTRACTS").is_some() {
        fs::write(&file, text).unwrap_or_else(|error| panic!("write {path}: {error}"));
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    // Both are long: where they part is enough.
    let parted = committed
        .lines()
        .zip(text.lines())
        .position(|(one, other)| one != other);
    assert!(
        committed == text,
        "{path} is not what the code says, from line {} on: DEPOT_WRITE_CONTRACTS=1 writes it",
        parted.unwrap_or_else(|| committed.lines().count().min(text.lines().count())) + 1
    );
}
