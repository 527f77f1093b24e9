#!/usr/bin/env bash
# Rehearses an upgrade to the version that tests/rolling/next.patch makes of this tree, and back; or that to a version whose
# migration contracts before everybody has moved, which has to fail: rehearse-upgrade.sh [next|contract-first].
# It has an installation of its own, on ports and in a folder of its own, and ends it in any case.
source "$(dirname "$0")/settings.sh"

"$NATIVE_DIR/install.sh" stack
cd "$REPO_DIR"
# With a test, so that dependencies have the features that they have in a build of everything: the next version is built so.
cargo build -q --locked --workspace --bins --test contract
exec "${CARGO_TARGET_DIR:-target}/debug/depot-rolling" "${1:-next}"
