#!/usr/bin/env bash
# A private Postgres, reached by TCP on loopback and by password only. postgres.sh start|stop
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"
source "$NATIVE_DIR/postgres-programs.sh"

DATA_DIR=$STACK_DIR/postgres
# More server settings, as `-c name=value -c …`, for a stack that is started for one purpose: the benchmark's peers read
# the log of changes, and ask for `-c wal_level=logical`. Nothing of the product needs any. What it says holds from the
# start on that it was given to, and only until the next.
read -ra MORE_OPTIONS <<<"${STACK_POSTGRES_OPTIONS:-}"

# The parts of the owner's URL, postgres://USER:PASSWORD@HOST:PORT/DATABASE.
read_owner() {
    local credentials=${MIGRATE_DATABASE_URL#*://}
    credentials=${credentials%@*}
    OWNER=${credentials%%:*}
    OWNER_PASSWORD=${credentials#*:}
    DATABASE=${MIGRATE_DATABASE_URL##*/}
    DATABASE=${DATABASE%%\?*}
}

init_cluster() {
    [[ ! -f $DATA_DIR/PG_VERSION ]] || return 0
    mkdir -p "$DATA_DIR"
    (umask 077 && head -c 18 /dev/urandom | base64 | tr '+/' 'ab' >"$SUPERUSER_PASSWORD_FILE")
    if ((EUID == 0)); then chown postgres:postgres "$DATA_DIR" "$SUPERUSER_PASSWORD_FILE"; fi
    "${UNPRIVILEGED[@]}" "$BIN_DIR/initdb" -D "$DATA_DIR" -U postgres --pwfile="$SUPERUSER_PASSWORD_FILE" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >"$STACK_DIR/initdb.log" 2>&1 ||
        die "the data folder of Postgres cannot be made: see $STACK_DIR/initdb.log"
}

# The owner makes roles and databases (tests have one each), and ends the sessions of those. Tried each time, so that
# a changed password in .env holds from the next start on.
ensure_owner() {
    read_owner
    PGOPTIONS='-c client_min_messages=warning' as_superuser -d postgres -v owner="$OWNER" -v password="$OWNER_PASSWORD" -v database="$DATABASE" <<'SQL'
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') AS absent \gset
\if :absent
CREATE ROLE :"owner" LOGIN CREATEDB CREATEROLE;
\endif
SET password_encryption = 'scram-sha-256';
ALTER ROLE :"owner" PASSWORD :'password';
GRANT pg_signal_backend TO :"owner";
SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') AS absent \gset
\if :absent
CREATE DATABASE :"database" OWNER :"owner";
\endif
SQL
}

predecessor_is_gone() {
    local pid
    { read -r pid <"$DATA_DIR/postmaster.pid"; } 2>/dev/null || return 0
    [[ ! -d /proc/$pid ]]
}

start() {
    if ! process_pid postgres >/dev/null; then
        require_free_port "$STACK_POSTGRES_PORT" Postgres STACK_POSTGRES_PORT
        init_cluster
        # After a kill, Postgres takes the remains of its predecessor for a running one until the system took them away.
        wait_for 15 predecessor_is_gone || true
        # fsync and synchronous_commit are on, as they are by default: an acknowledged command is on disk.
        process_start postgres "${UNPRIVILEGED[@]}" "$BIN_DIR/postgres" -D "$DATA_DIR" \
            -c listen_addresses=127.0.0.1 -c port="$STACK_POSTGRES_PORT" -c unix_socket_directories= \
            -c max_connections=300 -c shared_buffers=256MB -c max_wal_size=2GB -c jit=off \
            -c password_encryption=scram-sha-256 -c log_line_prefix='%m [%p] %q%u@%d ' \
            "${MORE_OPTIONS[@]}"
    fi
    wait_ready postgres 60 "$BIN_DIR/pg_isready" -h 127.0.0.1 -p "$STACK_POSTGRES_PORT"
    ensure_owner
}

case ${1:-} in
start) start ;;
# A fast shutdown: sessions are ended, what was committed is written.
stop) process_stop postgres INT 60 ;;
*) die "usage: postgres.sh start|stop" ;;
esac
