#!/usr/bin/env bash
# Puts load on the running stack of this checkout; loadtest/results has reports and plots then. Fails if requests failed.
#
#   DURATION=60s COMMANDS_PER_SECOND=30 QUERIES_PER_SECOND=90 make load
source "$(dirname "$0")/../deploy/native/settings.sh"

"$NATIVE_DIR/status.sh" >/dev/null || die "the stack is not running: make up"
TOKEN=$(cd "$REPO_DIR" && "${CARGO_TARGET_DIR:-$REPO_DIR/target}/debug/depot" token --role writer --sub load)
export TOKEN
exec "$REPO_DIR/loadtest/attack.sh" "$REPO_DIR/loadtest/results"
