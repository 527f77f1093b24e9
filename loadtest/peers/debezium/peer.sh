#!/usr/bin/env bash
# Debezium on Kafka Connect: the Postgres connector with the outbox event router, and the JDBC sink.
# peer.sh install | drain ROWS [SECONDS] | latency RATE SECONDS | heap RATE_SHARE | sink ROWS [SECONDS]
# DATABASE_URL's role may replicate and make publications, as the superuser of a private stack:
# postgres://postgres:PASSWORD@…, its password in STACK_DIR/postgres.password. The server has wal_level=logical.
# PEER_HEAP (2g), PEER_BATCH (2048), PEER_QUEUE (4 batches), PEER_POLL_MS (10), PEER_LINGER_MS (2), PEER_WARM_UP (60 s)
# tune it;
# PEER_TASKS (2) and PEER_UNNEST (false) the sink; PEER_HEAPS, PEER_ROWS and PEER_SECONDS what `heap` tries.
source "$(dirname "$0")/../stage.sh"
source "$PEERS_DIR/debezium/connect.sh"

VERSION="debezium 3.6.1.Final, kafka connect 4.3.1"
SINK_VERSION="debezium-connector-jdbc 3.5.0.Final, kafka connect 4.3.1"
SLOT=peer_debezium
PEER_HEAP=${PEER_HEAP:-2g}
PEER_BATCH=${PEER_BATCH:-2048}
PEER_QUEUE=${PEER_QUEUE:-$((4 * PEER_BATCH))}
PEER_POLL_MS=${PEER_POLL_MS:-10}
PEER_LINGER_MS=${PEER_LINGER_MS:-2}
PEER_PRODUCER_BATCH=${PEER_PRODUCER_BATCH:-131072}
PEER_WARM_UP=${PEER_WARM_UP:-60}
# For the sink.
PEER_TASKS=${PEER_TASKS:-2}
PEER_UNNEST=${PEER_UNNEST:-false}

# As clear_services, for what only this peer makes. A slot is let go of only when its reader's end is noticed.
clear_more() {
    local try
    for ((try = 0; try < 100; try++)); do
        [[ $(psql -X -q -At "$DATABASE_URL" -c "SELECT active FROM pg_replication_slots WHERE slot_name = '$SLOT'") == t ]] ||
            break
        sleep 0.2
    done
    psql -X -q -At -v ON_ERROR_STOP=1 "$DATABASE_URL" -o /dev/null \
        -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '$SLOT'" ||
        say "$PEER: slot $SLOT could not be dropped: it holds the server's log back"
    PGOPTIONS='-c client_min_messages=warning' psql -X -q "$DATABASE_URL" -c "DROP PUBLICATION IF EXISTS $SLOT" >&2 ||
        say "$PEER: publication $SLOT could not be dropped"
}

settings() {
    printf '{"heap":"%s","max_batch_size":%d,"max_queue_size":%d,"poll_ms":%d,"linger_ms":%d,"producer_batch_bytes":%d,' \
        "$PEER_HEAP" "$PEER_BATCH" "$PEER_QUEUE" "$PEER_POLL_MS" "$PEER_LINGER_MS" "$PEER_PRODUCER_BATCH"
    printf '"acks":"all","idempotence":true,"warm_up_seconds":%d}' "$PEER_WARM_UP"
}

sink_settings() {
    printf '{"heap":"%s","batch_size":%d,"tasks":%d,"unnest":%s,"reduction_buffer":true,"warm_up_seconds":%d}' \
        "$PEER_HEAP" "$PEER_BATCH" "$PEER_TASKS" "$PEER_UNNEST" "$PEER_WARM_UP"
}

begin_source() {
    begin_run
    [[ $(sql -c 'SHOW wal_level') == logical ]] ||
        lacking "the server's wal_level is not logical: start it with STACK_POSTGRES_OPTIONS='-c wal_level=logical'"
    read_database
    make_tables
    {
        cat "$DEBEZIUM_DIR/outbox.properties"
        printf '%s\n' "database.hostname=$DATABASE_HOST" "database.port=$DATABASE_PORT" "database.user=$DATABASE_USER" \
            "database.password=$DATABASE_PASSWORD" "database.dbname=$DATABASE_NAME" \
            "topic.prefix=$SCHEMA" "slot.name=$SLOT" "publication.name=$SLOT" "table.include.list=$SCHEMA.outbox" \
            "max.batch.size=$PEER_BATCH" "max.queue.size=$PEER_QUEUE" "poll.interval.ms=$PEER_POLL_MS" \
            "transforms.outbox.route.topic.replacement=$TOPIC"
    } >"$WORK/connector.properties"
}

start_source() {
    start_worker source outbox
    local deadline=$((SECONDS + 60))
    until [[ $(sql -c "SELECT active FROM pg_replication_slots WHERE slot_name = '$SLOT'") == t ]]; do
        ((SECONDS < deadline)) || die "the connector does not read its slot"
        sleep 0.2
    done
}

# Warms the worker up, stops its connector, lays a backlog, and lets it go.
drain_backlog() { # ROWS SECONDS
    local idle fed
    start_source
    sleep 3
    idle=$(resident_bytes)
    say "$PEER: warming up for $PEER_WARM_UP s"
    watched $((PEER_WARM_UP + 300)) \
        "$MEASURE" feed -schema "$SCHEMA" -topic "$TOPIC" -seconds "$PEER_WARM_UP" >"$WORK/fed"
    fed=$(<"$WORK/fed")
    stop_connector outbox
    fill "$fed" "$1"
    watched $(($2 + 180)) "$MEASURE" drain -schema "$SCHEMA" -topic "$TOPIC" -pid "$PEER_PID" \
        -peer "$PEER" -version "$VERSION" -settings "$(settings)" \
        -idle-bytes "$idle" -expect "$1" -seconds "$2" -resume "$CONNECT_URL/connectors/outbox/resume"
}

# One run with another size of heap, as a process of its own: it ends, and takes everything away, before the next begins.
drain_with_heap() { # HEAP ROWS SECONDS
    PEER_HEAP=$1 PEER_KEEP_LOG='' watched 3600 "$0" drain "$2" "$3" >"$WORK/line"
}

# shellcheck disable=SC2317,SC2329 # called by the trap
end_heap() {
    trap - EXIT INT TERM
    end_step
    rm -rf "$WORK"
}

# The smallest heap that keeps a share of the best rate. One that does not gets a second try: what else runs on the machine
# may have been at fault, and a heap that is taken for too small would be to the peer's disadvantage.
find_heap() { # RATE_SHARE
    local heap try rate best=0 kept=''
    WORK=$(mktemp -d)
    trap end_heap EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    for heap in ${PEER_HEAPS:-1g 512m 384m 256m 192m 128m 96m 64m}; do
        for try in first second; do
            rate=0
            if drain_with_heap "$heap" "${PEER_ROWS:-600000}" "${PEER_SECONDS:-30}"; then
                cat "$WORK/line"
                rate=$(sed -E 's/.*"events_per_second":([0-9.e+]+).*/\1/' "$WORK/line")
            fi
            best=$(awk -v a="$best" -v b="$rate" 'BEGIN { print (b > a) ? b : a }')
            if awk -v rate="$rate" -v best="$best" -v share="$1" 'BEGIN { exit !(rate > 0 && rate >= share * best) }'; then
                kept=$heap
                cp "$WORK/line" "$WORK/kept"
                continue 2
            fi
            say "$PEER: $try try with -Xmx$heap: $rate events/s, less than $1 of $best"
        done
        break
    done
    [[ -n $kept ]] || die "no heap was large enough"
    printf '{"peer":"%s","version":"%s","smallest_heap":"%s","rate_share":%s,"best_events_per_second":%s,"smallest":%s}\n' \
        "$PEER" "$VERSION" "$kept" "$1" "$best" "$(<"$WORK/kept")"
}

sink_items() { # ROWS SECONDS
    local idle fed
    read_database
    sql -c "CREATE SCHEMA $SCHEMA"
    sql -f "$DEBEZIUM_DIR/sink-tables.sql"
    {
        cat "$DEBEZIUM_DIR/sink.properties"
        printf '%s\n' "topics=$TOPIC" "tasks.max=$PEER_TASKS" "collection.name.format=$SCHEMA.item_view" \
            "connection.url=jdbc:postgresql://$DATABASE_HOST:$DATABASE_PORT/$DATABASE_NAME?reWriteBatchedInserts=true" \
            "connection.username=$DATABASE_USER" "connection.password=$DATABASE_PASSWORD" \
            "batch.size=$PEER_BATCH" "consumer.override.max.poll.records=$PEER_BATCH" \
            "dialect.postgres.unnest.insert.enabled=$PEER_UNNEST" \
            "consumer.override.group.id=$TOPIC"
    } >"$WORK/connector.properties"
    start_worker sink sink
    sleep 3
    idle=$(resident_bytes)
    say "$PEER: warming up for $PEER_WARM_UP s"
    watched $((PEER_WARM_UP + 300)) "$MEASURE" feed -schema "$SCHEMA" -topic "$TOPIC" -items-to "$TOPIC" \
        -count-table item_view -seconds "$PEER_WARM_UP" >"$WORK/fed"
    fed=$(<"$WORK/fed")
    stop_connector sink
    say "$PEER: producing $1 items"
    watched 1800 "$MEASURE" produce-items -topic "$TOPIC" -first "$fed" -rows "$1"
    sql -c 'VACUUM ANALYZE item_view'
    watched $(($2 + 180)) "$MEASURE" drain -schema "$SCHEMA" -topic "$TOPIC" -count-table item_view -pid "$PEER_PID" \
        -peer debezium-jdbc-sink -version "$SINK_VERSION" -idle-bytes "$idle" -expect "$1" -seconds "$2" \
        -settings "$(sink_settings)" \
        -resume "$CONNECT_URL/connectors/sink/resume"
}

case ${1:-} in
# The sink comes with `sink`: it may not be had where the source can.
install)
    install_go_programs
    install_jars source
    ;;
drain)
    is_number "${2:-}" && is_number "${3:-60}" || usage "drain ROWS [SECONDS]"
    begin_source
    drain_backlog "$2" "${3:-60}"
    ;;
latency)
    is_number "${2:-}" && is_number "${3:-}" || usage "latency RATE SECONDS"
    begin_source
    start_source
    watched $((PEER_WARM_UP + $3 + 180)) "$MEASURE" latency -schema "$SCHEMA" -topic "$TOPIC" -pid "$PEER_PID" \
        -peer "$PEER" -version "$VERSION" -rate "$2" -seconds "$3" -warm-up "$PEER_WARM_UP"
    ;;
heap)
    [[ ${2:-} =~ ^0?\.[0-9]+$ ]] || usage "heap RATE_SHARE, as 0.9"
    find_heap "$2"
    ;;
sink)
    is_number "${2:-}" && is_number "${3:-60}" || usage "sink ROWS [SECONDS]"
    install_go_programs
    install_jars sink
    begin_run
    sink_items "$2" "${3:-60}"
    ;;
*) usage "install | drain ROWS [SECONDS] | latency RATE SECONDS | heap RATE_SHARE | sink ROWS [SECONDS]" ;;
esac
