#!/usr/bin/env bash
# Brings up the whole stack: backing services, schema, topics, buckets, the four services. Again and again: what is
# there is kept, and takes seconds. `up.sh demo` then drives the main job on it. BUILD=no takes the programs as they are.
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/steps.sh"

# As services.sh says it.
SERVICE_NOT_READY=3
DEPOT=${CARGO_TARGET_DIR:-$REPO_DIR/target}/debug/depot

# Only one at a time; whoever comes second finds everything there.
mkdir -p "$STACK_DIR"
exec 8>"$STACK_DIR/up.lock"
flock 8

build() {
    [[ ${BUILD:-yes} == no ]] || cargo build --locked --workspace --bins
}

# Arguments: what install.sh is to install besides the stack. The working folder is the checkout's, where the `depot`
# tool finds .env.
prepare() {
    step "install what is missing" "$NATIVE_DIR/install.sh" stack "$@" &&
        step "start the backing services" "$NATIVE_DIR/backing.sh" start &&
        step "build" build &&
        step "migrate" "$DEPOT" migrate &&
        step "declare topics" "$DEPOT" topics &&
        step "make buckets" "$DEPOT" buckets
}

urls() {
    cat <<TEXT

console      $QUERY_PUBLIC_URL/   (in a browser)
command-api  $COMMAND_PUBLIC_URL   gRPC  http://localhost:$COMMAND_API_GRPC_PORT
query-api    $QUERY_PUBLIC_URL   gRPC  $GRPC_PUBLIC_URL
logs         $STACK_DIR/log   (make logs, make status, make down)
programs     export PATH=$STACK_TOOLS_DIR/bin:\$PATH
TEXT
}

[[ $# == 0 || $* == demo ]] || die "usage: up.sh [demo]"
cd "$REPO_DIR"
status=0
prepare "$@" 8>&- || status=$?
((status != 0)) || step "start the services" "$NATIVE_DIR/services.sh" start 8>&- || status=$?
flock -u 8
if [[ ${1:-} == demo ]] && ((status == 0 || status == SERVICE_NOT_READY)); then
    # A service that runs and is not ready is a case for the demo: it names the hop that does not happen.
    # Its last line says what failed; a backtrace, which the environment may ask for, would bury it.
    status=0
    step "the main job" env RUST_LIB_BACKTRACE=0 "$DEPOT" demo || status=$?
fi
print_steps
((status == 0)) || exit "$status"
urls
