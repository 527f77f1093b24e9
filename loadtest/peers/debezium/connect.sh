# shellcheck shell=bash
# Sourced by peer.sh: Kafka Connect, its folder of jars, its one worker, its REST interface.

CONNECT_PORT=${STACK_CONNECT_PORT:-$((18083 + ${STACK_PORT_OFFSET:-0}))}
CONNECT_URL=http://127.0.0.1:$CONNECT_PORT
DEBEZIUM_DIR=$PEERS_DIR/debezium
JARS_DIR=$PEERS_TOOLS_DIR/debezium

# The jars go into a folder that gets its name when it is whole, so that an interrupted download is not taken for one.
install_jars() { # source|sink
    local target=$JARS_DIR-$1 pom=$DEBEZIUM_DIR/pom.xml log=$PEERS_TOOLS_DIR/maven-$1.log program
    ! cmp -s "$pom" "$target/pom.xml" || return 0
    for program in java mvn curl; do
        command -v "$program" >/dev/null || lacking "$program is not installed"
    done
    say "installing Kafka Connect and Debezium's $1 connector (from Maven) into $target"
    rm -rf "$target.new"
    mvn -B -q -f "$pom" -P "$1" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$target.new" \
        >"$log" 2>&1 </dev/null || lacking "Debezium's $1 connector cannot be had: see $log"
    cp "$pom" "$target.new/pom.xml"
    rm -rf "$target"
    mv "$target.new" "$target"
}

# The parts of DATABASE_URL, postgres://USER:PASSWORD@HOST:PORT/DATABASE.
# shellcheck disable=SC2034 # peer.sh uses them
read_database() {
    local rest=${DATABASE_URL#*://} place
    DATABASE_USER=${rest%%:*}
    DATABASE_PASSWORD=${rest#*:}
    DATABASE_PASSWORD=${DATABASE_PASSWORD%%@*}
    place=${rest##*@}
    DATABASE_HOST=${place%%:*}
    DATABASE_PORT=${place#*:}
    DATABASE_PORT=${DATABASE_PORT%%/*}
    DATABASE_NAME=${place##*/}
    DATABASE_NAME=${DATABASE_NAME%%\?*}
}

# Starts the worker with one connector, and returns when its tasks run. The options of the virtual machine are those of
# Kafka's own start script.
start_worker() { # source|sink CONNECTOR
    [[ $PEER_HEAP =~ ^[0-9]+[mg]$ ]] || die "PEER_HEAP is no size: $PEER_HEAP"
    ! (exec 3<>"/dev/tcp/127.0.0.1/$CONNECT_PORT") 2>/dev/null || die "port $CONNECT_PORT is taken: set STACK_CONNECT_PORT"
    {
        cat "$DEBEZIUM_DIR/worker.properties"
        printf '%s\n' "bootstrap.servers=$KAFKA_BROKERS" "listeners=$CONNECT_URL" \
            "offset.storage.file.filename=$WORK/offsets" \
            "producer.linger.ms=$PEER_LINGER_MS" "producer.batch.size=$PEER_PRODUCER_BATCH"
    } >"$WORK/worker.properties"
    start_peer java -Xmx"$PEER_HEAP" -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
        -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -XX:+ExitOnOutOfMemoryError \
        -Djava.awt.headless=true -Dlog4j2.configurationFile="$DEBEZIUM_DIR/log4j2.properties" \
        -cp "$JARS_DIR-$1/*" org.apache.kafka.connect.cli.ConnectStandalone \
        "$WORK/worker.properties" "$WORK/connector.properties"
    wait_for_connector "$2" '"tasks":[{"id":0,"state":"RUNNING"'
}

# Waits until what Connect says of a connector has a text in it.
wait_for_connector() { # CONNECTOR TEXT
    local deadline=$((SECONDS + 180)) status=
    until [[ $status == *"$2"* ]]; do
        peer_runs || die "the worker has ended"
        [[ $status != *'"state":"FAILED"'* ]] || die "the connector has failed: ${status:0:600}"
        ((SECONDS < deadline)) || die "the connector is not ready after 180 s: ${status:0:600}"
        sleep 0.3
        status=$(curl -s -m 5 "$CONNECT_URL/connectors/$1/status" || true)
    done
}

stop_connector() { # CONNECTOR
    curl -sf -m 30 -X PUT "$CONNECT_URL/connectors/$1/stop" >/dev/null || die "the connector cannot be stopped"
    wait_for_connector "$1" '"connector":{"state":"STOPPED"'
    # A moment in which nothing arrives: the tasks end after the answer.
    wait_for_connector "$1" '"tasks":[]'
}
