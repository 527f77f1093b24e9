#!/usr/bin/env bash
# The fault campaign: FAULTS=N faults, or each class on each target twice, of the schedule that follows from SEED=S.
# It has an installation of its own, on ports and in a folder of its own, and ends it in any case.
source "$(dirname "$0")/settings.sh"

"$NATIVE_DIR/install.sh" stack faults
cd "$REPO_DIR"
cargo build -q --locked --workspace --bins
exec "${CARGO_TARGET_DIR:-target}/debug/depot-faults"
