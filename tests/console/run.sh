#!/usr/bin/env bash
# The console in the system's Chromium, against a stack of its own: brings it up, runs the tests, takes it down with its data.
# run.sh [SPEC…]; run.sh screenshots writes docs/images/console-*.png. KEEP_STACK=1 leaves the stack running.
set -euo pipefail
export STACK_PORT_OFFSET=${STACK_PORT_OFFSET:-3800}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export STACK_DIR=${STACK_DIR:-${HERE%/tests/console}/.stack/console}
mkdir -p "$STACK_DIR"
source "$HERE/../../deploy/native/settings.sh"

CHROMIUM=${CHROMIUM:-$(command -v chromium || true)}
[[ -n $CHROMIUM ]] || die "there is no Chromium: install the package chromium, or name a program by CHROMIUM"
command -v npm >/dev/null || die "there is no npm: install Node.js 20.19 or later"
export CHROMIUM

take_down() {
    [[ -z ${KEEP_STACK:-} ]] || return 0
    "$NATIVE_DIR/reset.sh" || say "the stack in $STACK_DIR could not be taken down"
}

cd "$HERE"
PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund
node vendor.js
node size.js
trap take_down EXIT
"$NATIVE_DIR/up.sh"

CONSOLE_URL=$QUERY_PUBLIC_URL
CONSOLE_COMMAND_URL=$COMMAND_PUBLIC_URL
CONSOLE_TOKEN=$(cd "$REPO_DIR" && "${CARGO_TARGET_DIR:-$REPO_DIR/target}/debug/depot" token --role admin --sub alice)
export CONSOLE_URL CONSOLE_COMMAND_URL CONSOLE_TOKEN

if [[ ${1:-} == screenshots ]]; then
    node screenshots.js
    exit
fi
specs=("$@")
((${#specs[@]} > 0)) || specs=(specs/*.test.js)
# One after the other: they stop and start the same processes.
node --test --test-concurrency=1 --test-reporter=spec "${specs[@]}"
