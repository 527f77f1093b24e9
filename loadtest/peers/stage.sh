# shellcheck shell=bash
# Sourced by each peer.sh: what the peers have in common. A run has a schema of its own in the database and a topic of
# its own, starts the peer as a child, watches it from outside, and takes all of it away at its end, however that comes.

set -euo pipefail

PEERS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
STACK_TOOLS_DIR=${STACK_TOOLS_DIR:-$PEERS_DIR/../../.stack/tools}
PEERS_TOOLS_DIR=$STACK_TOOLS_DIR/peers
MEASURE=$PEERS_TOOLS_DIR/bin/measure
# sysexits.h: EX_UNAVAILABLE. Whoever runs several peers takes it for "not measured".
STATUS_LACKING=69

PEER=$(basename "$(cd "$(dirname "$0")" && pwd)")
SCHEMA=peer_${PEER//-/_}
TOPIC=peers.$PEER.$(date +%s)
SQL_OPTIONS="-c search_path=$SCHEMA -c peers.topic=$TOPIC"
PARTITIONS=6
PEER_PID=
STEP_PID=
WORK=

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $PEER: $*"
    exit 1
}

lacking() {
    say "not measured: $PEER: $*"
    exit "$STATUS_LACKING"
}

is_number() { [[ ${1:-} =~ ^[1-9][0-9]*$ ]]; }

usage() {
    say "usage: peer.sh $1"
    exit 64
}

sql() { PGOPTIONS=$SQL_OPTIONS psql -X -q -At -v ON_ERROR_STOP=1 "$DATABASE_URL" "$@"; }

# The programs of the Go module, the measurement's among them. Go's own cache makes a second time quick.
install_go_programs() {
    local log=$PEERS_TOOLS_DIR/go.log
    command -v go >/dev/null || lacking "go is not installed"
    mkdir -p "$PEERS_TOOLS_DIR/bin"
    (cd "$PEERS_DIR" && go build -mod=readonly -o "$PEERS_TOOLS_DIR/bin/" ./...) >"$log" 2>&1 </dev/null ||
        lacking "the Go programs cannot be built: see $log"
}

# Takes away what this run, or one that was killed, has left in the services.
clear_services() {
    if declare -F clear_more >/dev/null; then clear_more; fi
    PGOPTIONS='-c client_min_messages=warning' psql -X -q -v ON_ERROR_STOP=1 "$DATABASE_URL" \
        -c "DROP SCHEMA IF EXISTS $SCHEMA CASCADE" >&2 || say "$PEER: schema $SCHEMA could not be dropped"
    "$MEASURE" clear -prefix "peers.$PEER." || say "$PEER: topics peers.$PEER.* could not be deleted"
}

# Runs a step that takes long, for at most some seconds. It is waited for, so that a signal to this script is heard at
# once.
watched() { # SECONDS COMMAND…
    local status=0
    timeout "$@" 7>&- &
    STEP_PID=$!
    wait "$STEP_PID" || status=$?
    STEP_PID=
    ((status != 124)) || say "$PEER: given up after $1 s: ${*:2:3}"
    return "$status"
}

end_step() {
    [[ -n $STEP_PID ]] || return 0
    kill "$STEP_PID" 2>/dev/null || true
    wait "$STEP_PID" 2>/dev/null || true
    STEP_PID=
}

# shellcheck disable=SC2317,SC2329 # called by the trap
end_run() {
    local status=$?
    trap - EXIT INT TERM
    end_step
    stop_peer
    if ((status != 0)) && [[ -s $WORK/peer.log ]]; then
        say "$PEER: the last words of its log:"
        tail -n 15 "$WORK/peer.log" >&2
    fi
    if [[ -n ${PEER_KEEP_LOG:-} && -f $WORK/peer.log ]]; then cp "$WORK/peer.log" "$PEER_KEEP_LOG"; fi
    clear_services
    rm -rf "$WORK"
    exit "$status"
}

# One run of any peer at a time: two would measure each other.
begin_run() {
    [[ -n ${DATABASE_URL:-} ]] || die "DATABASE_URL is not set"
    [[ -n ${KAFKA_BROKERS:-} ]] || die "KAFKA_BROKERS is not set"
    export DATABASE_URL KAFKA_BROKERS
    command -v psql >/dev/null || lacking "psql is not installed"
    mkdir -p "$PEERS_TOOLS_DIR"
    exec 7>"$PEERS_TOOLS_DIR/lock"
    flock -n 7 || die "another peer is being measured"
    "$0" install 7>&-
    WORK=$(mktemp -d)
    trap end_run EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    clear_services
    [[ $(sql -c 'SHOW fsync') == on && $(sql -c 'SHOW synchronous_commit') == on ]] ||
        die "fsync and synchronous_commit must be on"
    "$MEASURE" create-topic -topic "$TOPIC" -partitions "$PARTITIONS"
}

make_tables() {
    sql -c "CREATE SCHEMA $SCHEMA"
    sql -f "$PEERS_DIR/payload.sql" -f "$PEERS_DIR/$PEER/tables.sql"
}

fill() { # FIRST ROWS
    say "$PEER: filling $2 rows"
    PGOPTIONS=$SQL_OPTIONS watched 1800 psql -X -q -v ON_ERROR_STOP=1 "$DATABASE_URL" -c "CALL fill($1, $2)"
    # That the server writes the fill down is not the peer's work. The superuser may ask for it, the owner may not.
    sql -c CHECKPOINT 2>/dev/null || true
}

start_peer() { # COMMAND…
    PEER_SCHEMA=$SCHEMA "$@" >>"$WORK/peer.log" 2>&1 </dev/null 7>&- &
    PEER_PID=$!
}

# A child that nobody has waited for keeps its number, so that none other can be met by it.
stop_peer() {
    local tenth
    [[ -n $PEER_PID ]] || return 0
    kill "$PEER_PID" 2>/dev/null || true
    for ((tenth = 0; tenth < 200; tenth++)); do
        peer_runs || break
        sleep 0.1
    done
    if peer_runs; then
        say "$PEER did not end within 20 s: killing it"
        kill -KILL "$PEER_PID" 2>/dev/null || true
    fi
    wait "$PEER_PID" 2>/dev/null || true
    PEER_PID=
}

peer_runs() {
    local stat
    { read -r stat <"/proc/$PEER_PID/stat"; } 2>/dev/null || return 1
    [[ ${stat##*) } != Z* ]]
}

resident_bytes() {
    awk '/^VmRSS:/ { print $2 * 1024; found = 1 } END { if (!found) print 0 }' "/proc/$PEER_PID/status" 2>/dev/null || echo 0
}

# A peer that is a Go program: nothing to warm up. Its idle size is taken on an empty table, before there is any work.
go_peer() { # VERSION SETTINGS COMMAND [ARGUMENT…]
    local version=$1 settings=$2 program=$PEERS_TOOLS_DIR/bin/$PEER idle
    shift 2
    case ${1:-} in
    install) install_go_programs ;;
    drain)
        is_number "${2:-}" && is_number "${3:-60}" || usage "drain ROWS [SECONDS]"
        begin_run
        make_tables
        start_peer "$program"
        sleep 3
        peer_runs || die "it ended at once"
        idle=$(resident_bytes)
        stop_peer
        fill 1 "$2"
        start_peer "$program"
        watched $((${3:-60} + 180)) "$MEASURE" drain -schema "$SCHEMA" -topic "$TOPIC" -pid "$PEER_PID" \
            -peer "$PEER" -version "$version" -settings "$settings" -idle-bytes "$idle" -expect "$2" -seconds "${3:-60}"
        ;;
    latency)
        is_number "${2:-}" && is_number "${3:-}" || usage "latency RATE SECONDS"
        begin_run
        make_tables
        start_peer "$program"
        sleep 2
        peer_runs || die "it ended at once"
        watched $(($3 + 180)) "$MEASURE" latency -schema "$SCHEMA" -topic "$TOPIC" -pid "$PEER_PID" \
            -peer "$PEER" -version "$version" -rate "$2" -seconds "$3"
        ;;
    *) usage "install | drain ROWS [SECONDS] | latency RATE SECONDS" ;;
    esac
}
