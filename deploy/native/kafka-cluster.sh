#!/usr/bin/env bash
# Three Kafka nodes, each broker and controller: a topic has three copies, and one node may be away.
# kafka-cluster.sh start|stop|start-node N|stop-node N
#
# Node N has its ports from STACK_KAFKA_PORT + 20 * (N - 1) on. Each service that uses Kafka has a listener of its own,
# advertised KAFKA_ADVERTISED_SHIFT ports higher: where that is not 0, a proxy stands there, so that the connections of
# one service to one broker can be disturbed.
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

NODES=(1 2 3)
LISTENERS=(COMMAND PROJECTOR UPLOADER)
SHIFT=${KAFKA_ADVERTISED_SHIFT:-0}

broker_port() { printf '%s\n' $((STACK_KAFKA_PORT + 20 * ($1 - 1))); } # NODE
controller_port() { printf '%s\n' $(($(broker_port "$1") + 1)); }     # NODE

java_main() {
    java -Xmx384m -Dlog4j2.configurationFile="$NATIVE_DIR/kafka/log4j2.properties" -cp "$STACK_TOOLS_DIR/kafka/*" "$@"
}

write_config() { # NODE
    local node=$1 port listeners advertised protocols=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT voters='' i other
    port=$(broker_port "$node")
    listeners=BROKER://127.0.0.1:$port,CONTROLLER://127.0.0.1:$(controller_port "$node")
    advertised=BROKER://127.0.0.1:$port
    for i in "${!LISTENERS[@]}"; do
        listeners+=,${LISTENERS[i]}://127.0.0.1:$((port + 2 + i))
        advertised+=,${LISTENERS[i]}://127.0.0.1:$((port + 2 + i + SHIFT))
        protocols+=,${LISTENERS[i]}:PLAINTEXT
    done
    for other in "${NODES[@]}"; do
        voters+=${voters:+,}$other@127.0.0.1:$(controller_port "$other")
    done
    mkdir -p "$STACK_DIR/kafka-$node"
    {
        # What comes later wins.
        cat "$NATIVE_DIR/kafka/server.properties"
        printf '\n'
        printf '%s\n' "node.id=$node" "listeners=$listeners" "advertised.listeners=$advertised" \
            "listener.security.protocol.map=$protocols" "controller.quorum.voters=$voters" \
            "log.dirs=$STACK_DIR/kafka-$node/data" default.replication.factor=3 min.insync.replicas=2 \
            offsets.topic.replication.factor=3 transaction.state.log.replication.factor=3 \
            transaction.state.log.min.isr=2 share.coordinator.state.topic.replication.factor=3 \
            share.coordinator.state.topic.min.isr=2
    } >"$STACK_DIR/kafka-$node/server.properties"
}

format_storage() { # NODE CLUSTER_ID
    local folder=$STACK_DIR/kafka-$1
    [[ ! -f $folder/data/meta.properties ]] || return 0
    java_main kafka.tools.StorageTool format --cluster-id "$2" --config "$folder/server.properties" \
        >"$folder/format.log" 2>&1 || die "the storage of Kafka node $1 cannot be formatted: see $folder/format.log"
}

cluster_id() {
    [[ -f $STACK_DIR/kafka-cluster.id ]] ||
        head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | tr -d '=' >"$STACK_DIR/kafka-cluster.id"
    cat "$STACK_DIR/kafka-cluster.id"
}

launch_node() { # NODE
    ! process_pid "kafka-$1" >/dev/null || return 0
    require_free_port "$(broker_port "$1")" "Kafka node $1" STACK_KAFKA_PORT
    write_config "$1"
    format_storage "$1" "$(cluster_id)"
    process_start "kafka-$1" java -Xms192m -Xmx384m \
        -Dlog4j2.configurationFile="$NATIVE_DIR/kafka/log4j2.properties" \
        -cp "$STACK_TOOLS_DIR/kafka/*" kafka.Kafka "$STACK_DIR/kafka-$1/server.properties"
}

wait_node() { # NODE
    wait_ready "kafka-$1" 90 kcat -L -m 2 -b "127.0.0.1:$(broker_port "$1")"
}

mkdir -p "$STACK_DIR"
case ${1:-} in
start)
    # A node alone has no quorum, so all are started before one is waited for.
    for node in "${NODES[@]}"; do launch_node "$node"; done
    for node in "${NODES[@]}"; do wait_node "$node"; done
    ;;
start-node)
    launch_node "${2:?which node}"
    wait_node "$2"
    ;;
stop-node) process_stop "kafka-${2:?which node}" TERM 30 ;;
stop)
    stopping=()
    for node in "${NODES[@]}"; do
        process_stop "kafka-$node" TERM 30 &
        stopping+=($!)
    done
    wait "${stopping[@]}"
    ;;
*) die "usage: kafka-cluster.sh start|stop|start-node N|stop-node N" ;;
esac
