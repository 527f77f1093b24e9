//! `cfg(loom)` for this package alone. By RUSTFLAGS it would be set for every dependency. `RACE_THREADS=1` leaves it out:
//! the models then run on threads of the system, for ThreadSanitizer to watch.

fn main() {
    if std::env::var_os("RACE_THREADS").is_none() {
        println!("cargo::rustc-cfg=loom");
    }
    println!("cargo::rerun-if-env-changed=RACE_THREADS");
    println!("cargo::rerun-if-changed=build.rs");
}
