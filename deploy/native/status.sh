#!/usr/bin/env bash
# Says what runs, where, and whether it answers. Exits 0 only if all of it does.
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

ALL_WELL=0

row() { # NAME STATE ADDRESS
    printf '%-14s %-34s %s\n' "$@"
}

# Of a given one, nothing is known here but its address; the services' readiness tells.
backing_state() { # NAME PORT
    local pid
    if ! is_private "$1"; then
        printf 'given'
    elif pid=$(process_pid "$1"); then
        if port_is_open "$2"; then printf 'running (pid %s)' "$pid"; else printf 'NOT ANSWERING (pid %s)' "$pid"; fi
    else
        printf 'STOPPED'
    fi
}

service_state() { # NAME ADMIN_PORT
    local pid
    pid=$(process_pid "$1") || { printf 'STOPPED' && return; }
    if curl -sf -m 2 -o /dev/null "http://127.0.0.1:$2/readyz"; then
        printf 'ready (pid %s)' "$pid"
    else
        printf 'NOT READY (pid %s)' "$pid"
    fi
}

show() { # NAME STATE ADDRESS
    [[ $2 != [A-Z]* ]] || ALL_WELL=1
    row "$@"
}

show postgres "$(backing_state postgres "$STACK_POSTGRES_PORT")" "${MIGRATE_DATABASE_URL##*@}"
show redis "$(backing_state redis "$STACK_REDIS_PORT")" "$REDIS_ADDR"
show kafka "$(backing_state kafka "$STACK_KAFKA_PORT")" "$KAFKA_BROKERS"
show object-store "$(backing_state object-store "$STACK_S3_PORT")" "$MINIO_ENDPOINT"
show command-api "$(service_state command-api "$COMMAND_API_ADMIN_PORT")" \
    "$COMMAND_PUBLIC_URL, gRPC http://localhost:$COMMAND_API_GRPC_PORT, admin $COMMAND_API_ADMIN_PORT"
show query-api "$(service_state query-api "$QUERY_API_ADMIN_PORT")" \
    "$QUERY_PUBLIC_URL, gRPC $GRPC_PUBLIC_URL, admin $QUERY_API_ADMIN_PORT"
show projector "$(service_state projector "$PROJECTOR_ADMIN_PORT")" "admin $PROJECTOR_ADMIN_PORT"
show uploader "$(service_state uploader "$UPLOADER_ADMIN_PORT")" "admin $UPLOADER_ADMIN_PORT"
exit "$ALL_WELL"
