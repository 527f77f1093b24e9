//! What a sabotaged program does.

use std::{os::unix::process::CommandExt as _, process::Command, sync::LazyLock};

use crate::Break;

/// Whether this process has that break.
pub fn has(which: Break) -> bool {
    static NAMED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("DEPOT_SABOTAGE").ok());
    NAMED.as_deref() == Some(which.name())
}

/// Whether this process has that break, and something bears its mark.
pub fn hits(which: Break, bytes: &[u8]) -> bool {
    let mark = format!("marked-{}-", which.name());
    has(which) && bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
}

/// Ends the process as SIGKILL would, and starts it again: the program is replaced by itself, and nothing of its memory,
/// its threads and its connections is left.
pub fn die() {
    let Ok(program) = std::env::current_exe() else {
        std::process::abort();
    };
    // Answers only if it could not.
    let error = Command::new(program).args(std::env::args_os().skip(1)).exec();
    eprintln!("not started again: {error}");
    std::process::abort();
}
