#!/usr/bin/env bash
# Makes the naive ways of docs/outbox.md fail, one after the other, and prints the story of each: exhibits.sh [NAME].
# Stops the backing services at the end if it started them.
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

"$NATIVE_DIR/install.sh" stack
was_running=$(process_pid kafka || true)
"$NATIVE_DIR/backing.sh" start
cd "$REPO_DIR"
status=0
cargo test --locked -p depot-exhibits --test it -- --nocapture --test-threads=1 "$@" || status=$?
[[ -n $was_running ]] || "$NATIVE_DIR/backing.sh" stop
exit "$status"
