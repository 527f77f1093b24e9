#!/usr/bin/env bash
# The backing services, all of them: those that were given by environment are left alone. backing.sh start|stop
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

start() {
    local name pid starting=() status=0
    exec 9>"$STACK_DIR/lock"
    flock 9
    printf '%s\n' "$STACK_PORT_OFFSET" >"$STACK_DIR/port-offset"
    for name in "${BACKING_SERVICES[@]}"; do
        if ! is_private "$name"; then
            say "$name is given, and used as it is"
        else
            "$NATIVE_DIR/$name.sh" start &
            starting+=($!)
        fi
    done
    for pid in "${starting[@]}"; do
        wait "$pid" || status=1
    done
    return "$status"
}

stop() {
    local name stopping=()
    for name in "${BACKING_SERVICES[@]}"; do
        "$NATIVE_DIR/$name.sh" stop &
        stopping+=($!)
    done
    wait "${stopping[@]}"
}

mkdir -p "$STACK_DIR"
case ${1:-} in
start) start ;;
stop) stop ;;
*) die "usage: backing.sh start|stop" ;;
esac
