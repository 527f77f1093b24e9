use std::{fs, path::PathBuf};

/// Fails if a file that is made from the code is not as the code has it. `DEPOT_WRITE_CONTRACTS=1` writes it anew.
///
/// `path` is from the folder of this crate.
#[track_caller]
pub fn assert_committed(path: &str, text: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("DEPOT_WRITE_CONTRACTS").is_some() {
        fs::write(&file, text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let parted = committed
        .lines()
        .zip(text.lines())
        .find(|(one, other)| one != other);
    assert!(
        committed == text,
        "{path} is not what the code says: DEPOT_WRITE_CONTRACTS=1 writes it; {parted:?}"
    );
}
