//! What takes minutes, or servers of its own, is for `make test-all`.

use std::io::Write as _;

/// Whether a long test is not to run now, which it then says.
pub fn is_left_out(name: &str) -> bool {
    let is_long = std::env::var_os("DEPOT_LONG").is_some();
    if !is_long {
        // Past the test harness, which keeps to itself what a test prints that passes.
        let told = format!("NOT RUN: {name} takes minutes: DEPOT_LONG=1, or `make test-all`");
        writeln!(std::io::stderr(), "{told}").unwrap();
    }
    !is_long
}
