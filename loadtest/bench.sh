#!/usr/bin/env bash
# The benchmark, on a stack of its own that is stopped in any case. Arguments go to `depot-bench run`.
#
#   loadtest/bench.sh --rows accepted-commands --quick
#
# Whoever has set STACK_DIR and STACK_PORT_OFFSET measures on that stack.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
STACK_DIR=${STACK_DIR:-$HERE/../.stack/bench}
STACK_TOOLS_DIR=${STACK_TOOLS_DIR:-$HERE/../.stack/tools}
STACK_PORT_OFFSET=${STACK_PORT_OFFSET:-3400}
# Readers of the log by logical replication, which some peers are; and when each transaction was committed.
STACK_POSTGRES_OPTIONS=${STACK_POSTGRES_OPTIONS:--c wal_level=logical -c track_commit_timestamp=on}
export STACK_DIR STACK_TOOLS_DIR STACK_PORT_OFFSET STACK_POSTGRES_OPTIONS
source "$HERE/../deploy/native/settings.sh"

PROGRAMS=${CARGO_TARGET_DIR:-$REPO_DIR/target}/release

"$NATIVE_DIR/install.sh" stack load
cd "$REPO_DIR"
# With all members, whose needs decide on features; without the programs that only test.
cargo build --release --locked --workspace --bin command-api --bin query-api --bin projector --bin uploader --bin depot \
    --bin depot-bench
trap '"$NATIVE_DIR/backing.sh" stop' EXIT
"$NATIVE_DIR/backing.sh" start
"$PROGRAMS/depot-bench" run "$@"
