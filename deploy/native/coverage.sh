#!/usr/bin/env bash
# Line coverage of the machinery by its own tests, on the backing services: at least COVERAGE_LINES per cent (85) of each
# of these packages. Wants cargo-llvm-cov and the toolchain's llvm-tools.
STACK_PORT_OFFSET=${STACK_PORT_OFFSET:-$("$(dirname "$0")/port-offset.sh")}
export STACK_PORT_OFFSET
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

PACKAGES=(domain outbox consumer saga)
# sysexits.h: EX_UNAVAILABLE. Whoever runs several of these takes it for "not run".
STATUS_LACKING=69
AT_LEAST=${COVERAGE_LINES:-85}
REPORT=$REPO_DIR/target/coverage.json

missing() {
    say "not run: $1"
    say "coverage wants: rustup component add llvm-tools; cargo install cargo-llvm-cov"
    exit "$STATUS_LACKING"
}

command -v cargo-llvm-cov >/dev/null || missing "cargo-llvm-cov is not installed"
[[ -x $(rustc --print target-libdir)/../bin/llvm-cov ]] || missing "the toolchain has no llvm-tools"

cd "$REPO_DIR"
was_running=$(process_pid kafka || true)
"$NATIVE_DIR/backing.sh" start
selected=()
for package in "${PACKAGES[@]}"; do selected+=(-p "depot-$package"); done
# The saga's own rows are written by command-api's tests.
cargo llvm-cov --locked --json --output-path "$REPORT" "${selected[@]}" -p command-api || exit 1
[[ -n $was_running ]] || "$NATIVE_DIR/backing.sh" stop

python3 - "$REPORT" "$AT_LEAST" "${PACKAGES[@]}" <<'PYTHON'
import json, sys

report, at_least, packages = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
files = json.load(open(report))["data"][0]["files"]
below = []
for package in packages:
    lines = [f["summary"]["lines"] for f in files if f"/crates/{package}/src/" in f["filename"]]
    count, covered = sum(l["count"] for l in lines), sum(l["covered"] for l in lines)
    if count == 0:
        sys.exit(f"no line of {package} was counted")
    share = 100 * covered / count
    print(f"{package:10} {covered:6} of {count:6} lines  {share:5.1f} %")
    if share < at_least:
        below.append(package)
sys.exit(f"below {at_least} %: {', '.join(below)}" if below else 0)
PYTHON
