#!/usr/bin/env bash
# ThreadSanitizer over the unit tests, which need no backing service, and over the models of tests/race on threads of the
# system. It wants a nightly toolchain with the source of the standard library, which has to be built with it, too.
source "$(dirname "$0")/settings.sh"

TOOLCHAIN=${TSAN_TOOLCHAIN:-nightly}
TARGET=x86_64-unknown-linux-gnu
# sysexits.h: EX_UNAVAILABLE. Whoever runs several of these takes it for "not run".
STATUS_LACKING=69

missing() {
    say "not run: $1"
    say "ThreadSanitizer wants: rustup toolchain install $TOOLCHAIN --component rust-src"
    exit "$STATUS_LACKING"
}

[[ $(uname -sm) == "Linux x86_64" ]] || missing "only Linux on x86_64 is set up here, this is $(uname -sm)"
rustc "+$TOOLCHAIN" --version >/dev/null 2>&1 || missing "there is no toolchain $TOOLCHAIN"
[[ -d $(rustc "+$TOOLCHAIN" --print sysroot)/lib/rustlib/src/rust/library ]] ||
    missing "toolchain $TOOLCHAIN has no rust-src"

cd "$REPO_DIR"
# C and C++ of the Kafka client and of the cryptography are not instrumented, so what they synchronise is not seen. Unit tests
# that run threads of theirs are in modules of their own, and left out.
export RUSTFLAGS="-Zsanitizer=thread --cfg tsan" TSAN_OPTIONS="halt_on_error=1" CARGO_TARGET_DIR="$REPO_DIR/target/tsan"
watched() { # ARGUMENT…
    cargo "+$TOOLCHAIN" test --locked -Zbuild-std --target "$TARGET" "$@"
}
watched --lib -p depot-retry -p depot-domain -p depot-consumer -p depot-outbox -p depot-saga "$@" -- --skip client_tests
# Not in the order that loom wants: as they come, thousands of times.
RACE_THREADS=1 watched -p depot-race --test models "$@"
