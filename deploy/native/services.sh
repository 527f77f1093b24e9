#!/usr/bin/env bash
# The four services, from target/debug, as background processes. services.sh start|stop
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

BIN_DIR=${CARGO_TARGET_DIR:-$REPO_DIR/target}/debug
READY_SECONDS=60
# A service that was running before is either ready or paused, stuck, or cut off; waiting long helps none of these.
STILL_READY_SECONDS=10

admin_port() { # SERVICE
    local variable=${1//-/_}_ADMIN_PORT
    variable=${variable^^}
    printf '%s\n' "${!variable}"
}

ready() { curl -sf -m 2 -o /dev/null "http://127.0.0.1:$(admin_port "$1")/readyz"; }

# A program that was built anew has another file behind its path than the process that runs.
is_outdated() { # PID
    [[ $(readlink "/proc/$1/exe") == *" (deleted)" ]]
}

start_service() { # SERVICE
    local service=$1 pid
    if pid=$(process_pid "$service") && is_outdated "$pid"; then
        say "$service was built anew: restarting it"
        process_stop "$service"
    fi
    if process_pid "$service" >/dev/null; then
        ALREADY_RUNNING+=("$service")
        return 0
    fi
    require_free_port "$(admin_port "$service")" "the admin port of $service" "STACK_PORT_OFFSET"
    process_start "$service" env -C "$REPO_DIR" "$BIN_DIR/$service"
    STARTED+=("$service")
}

# All are started before one is waited for, since each takes a moment to join its groups.
start() {
    local service waiting_for
    ALREADY_RUNNING=() STARTED=()
    for service in "${SERVICES[@]}"; do
        start_service "$service"
    done
    for service in "${STARTED[@]}"; do
        wait_ready "$service" "$READY_SECONDS" ready "$service"
    done
    for service in "${ALREADY_RUNNING[@]}"; do
        if ! wait_for "$STILL_READY_SECONDS" ready "$service"; then
            waiting_for=$(curl -s -m 2 "http://127.0.0.1:$(admin_port "$service")/readyz" || true)
            say "$service runs (pid $(process_pid "$service")) and is not ready: ${waiting_for:-it does not answer}"
            return 3
        fi
    done
}

stop() {
    local service stopping=()
    for service in "${SERVICES[@]}"; do
        process_stop "$service" TERM 40 &
        stopping+=($!)
    done
    wait "${stopping[@]}"
}

case ${1:-} in
start) start ;;
stop) stop ;;
*) die "usage: services.sh start|stop" ;;
esac
