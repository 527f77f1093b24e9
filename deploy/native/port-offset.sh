#!/usr/bin/env bash
# Prints the offset at which this checkout's stack has, or can have, its ports: the first at which all are free. Tests
# take it, so that they run beside whatever else is on the machine.
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

PORTS=(15432 16379 18333 18334 18335 18336 19092 19093)

all_free() { # OFFSET
    local port
    for port in "${PORTS[@]}"; do
        ! port_is_open "$((port + $1))" || return 1
    done
}

if [[ ! -f $STACK_DIR/port-offset ]]; then
    while ! all_free "$STACK_PORT_OFFSET"; do
        ((STACK_PORT_OFFSET += 200))
        ((STACK_PORT_OFFSET <= 4000)) || die "no free ports for the backing services"
    done
fi
printf '%s\n' "$STACK_PORT_OFFSET"
