#!/usr/bin/env bash
# A private Kafka: one node, broker and controller, from its Maven artifacts. kafka.sh start|stop
# Clients are sent to STACK_KAFKA_ADVERTISED_PORT, where that is not the broker's own: a test has a gate there.
# STACK_KAFKA_OPTIONS has more properties, `name=value name=value`, for a broker that is started for one purpose.
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

DATA_DIR=$STACK_DIR/kafka
CONFIG=$DATA_DIR/server.properties
read -ra MORE_OPTIONS <<<"${STACK_KAFKA_OPTIONS:-}"

java_main() {
    java -Xmx512m -Dlog4j2.configurationFile="$NATIVE_DIR/kafka/log4j2.properties" -cp "$STACK_TOOLS_DIR/kafka/*" "$@"
}

write_config() {
    mkdir -p "$DATA_DIR"
    {
        cat "$NATIVE_DIR/kafka/server.properties"
        printf '\n'
        printf '%s\n' \
            "listeners=BROKER://127.0.0.1:$STACK_KAFKA_PORT,CONTROLLER://127.0.0.1:$STACK_KAFKA_CONTROLLER_PORT" \
            "advertised.listeners=BROKER://127.0.0.1:${STACK_KAFKA_ADVERTISED_PORT:-$STACK_KAFKA_PORT}" \
            "controller.quorum.bootstrap.servers=127.0.0.1:$STACK_KAFKA_CONTROLLER_PORT" \
            "log.dirs=$DATA_DIR/data" "${MORE_OPTIONS[@]}"
    } >"$CONFIG"
}

# A log that was started anew has another id, so that nobody takes it for the old one.
format_storage() {
    local id
    [[ ! -f $DATA_DIR/data/meta.properties ]] || return 0
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | tr -d '=')
    java_main kafka.tools.StorageTool format --standalone --cluster-id "$id" --config "$CONFIG" \
        >"$DATA_DIR/format.log" 2>&1 || die "the storage of Kafka cannot be formatted: see $DATA_DIR/format.log"
}

start() {
    if ! process_pid kafka >/dev/null; then
        require_free_port "$STACK_KAFKA_PORT" Kafka STACK_KAFKA_PORT
        require_free_port "$STACK_KAFKA_CONTROLLER_PORT" "Kafka's controller" STACK_KAFKA_CONTROLLER_PORT
        write_config
        format_storage
        process_start kafka java -Xms256m -Xmx512m \
            -Dlog4j2.configurationFile="$NATIVE_DIR/kafka/log4j2.properties" \
            -cp "$STACK_TOOLS_DIR/kafka/*" kafka.Kafka "$CONFIG"
    fi
    wait_ready kafka 90 kcat -L -m 2 -b "127.0.0.1:$STACK_KAFKA_PORT"
}

case ${1:-} in
start) start ;;
stop) process_stop kafka TERM 30 ;;
*) die "usage: kafka.sh start|stop" ;;
esac
