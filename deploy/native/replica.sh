#!/usr/bin/env bash
# A streaming replica of the private Postgres, on loopback: for READ_REPLICA_URL. Made by a base backup when it is first
# started. replica.sh start|stop
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"
source "$NATIVE_DIR/postgres-programs.sh"

DATA_DIR=$STACK_DIR/postgres-replica
STACK_REPLICA_PORT=${STACK_REPLICA_PORT:-$((STACK_POSTGRES_PORT + 1))}

back_up() {
    [[ ! -f $DATA_DIR/PG_VERSION ]] || return 0
    mkdir -p "$DATA_DIR"
    chmod 700 "$DATA_DIR"
    if ((EUID == 0)); then chown postgres:postgres "$DATA_DIR"; fi
    # -R writes how to follow, with the password, into the folder.
    PGPASSWORD=$(<"$SUPERUSER_PASSWORD_FILE") "${UNPRIVILEGED[@]}" "$BIN_DIR/pg_basebackup" -D "$DATA_DIR" -R -X stream -c fast \
        -h 127.0.0.1 -p "$STACK_POSTGRES_PORT" -U postgres || die "Postgres at port $STACK_POSTGRES_PORT cannot be backed up"
}

start() {
    if ! process_pid postgres-replica >/dev/null; then
        require_free_port "$STACK_REPLICA_PORT" "the replica of Postgres" STACK_REPLICA_PORT
        back_up
        # As many connections as the primary: with fewer it would not start.
        process_start postgres-replica "${UNPRIVILEGED[@]}" "$BIN_DIR/postgres" -D "$DATA_DIR" \
            -c listen_addresses=127.0.0.1 -c port="$STACK_REPLICA_PORT" -c unix_socket_directories= \
            -c max_connections=300 -c jit=off -c log_line_prefix='%m [%p] %q%u@%d '
    fi
    wait_ready postgres-replica 60 "$BIN_DIR/pg_isready" -h 127.0.0.1 -p "$STACK_REPLICA_PORT"
}

case ${1:-} in
start) start ;;
stop) process_stop postgres-replica INT 60 ;;
*) die "usage: replica.sh start|stop" ;;
esac
