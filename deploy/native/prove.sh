#!/usr/bin/env bash
# Proves the ground with tools that are not ours: each backing service takes something in and gives it back.
# crates/test-stack/tests/it/ground.rs proves the client's side: idempotence, a KIP-848 group, transactions.
source "$(dirname "$0")/settings.sh"

RECORDS=1000

prove_postgres() {
    local answer
    answer=$(psql -X -q -At -v ON_ERROR_STOP=1 "$MIGRATE_DATABASE_URL" <<'SQL'
BEGIN;
CREATE TEMPORARY TABLE ground (n int) ON COMMIT DROP;
INSERT INTO ground SELECT generate_series(1, 1000);
SELECT sum(n) || ' ' || current_setting('fsync') || ' ' || current_setting('synchronous_commit') FROM ground;
COMMIT;
SQL
    )
    [[ $answer == "500500 on on" ]] || die "Postgres answered: $answer"
    say "Postgres: 1,000 rows written and read, fsync and synchronous_commit on"
}

prove_redis() {
    local host=${REDIS_ADDR%:*} port=${REDIS_ADDR##*:} key=depot-ground-$$
    redis-cli -h "$host" -p "$port" set "$key" taken ex 60 >/dev/null
    [[ $(redis-cli -h "$host" -p "$port" get "$key") == taken ]] || die "Redis gave another value back"
    redis-cli -h "$host" -p "$port" del "$key" >/dev/null
    say "Redis: a value written and read"
}

kafka_topics() {
    java -Xmx128m -cp "$STACK_TOOLS_DIR/kafka/*" org.apache.kafka.tools.TopicCommand \
        --bootstrap-server "$KAFKA_BROKERS" "$@" >/dev/null 2>&1
}

prove_kafka() {
    local topic=depot.ground.p$$.v1 sent received
    kafka_topics --create --topic "$topic" --partitions 3 || die "no topic can be made on $KAFKA_BROKERS"
    sent=$(seq "$RECORDS" | sed 's/.*/key-&:value-&/' | sort)
    kcat -P -b "$KAFKA_BROKERS" -t "$topic" -K : -X enable.idempotence=true -X topic.partitioner=murmur2_random <<<"$sent"
    received=$(kcat -C -q -e -b "$KAFKA_BROKERS" -t "$topic" -o beginning -K : | sort)
    kafka_topics --delete --topic "$topic" || say "topic $topic is left behind"
    [[ $received == "$sent" ]] || die "Kafka gave back $(wc -l <<<"$received") records of $RECORDS, or others"
    if kcat -P -b "$KAFKA_BROKERS" -X topic.metadata.propagation.max.ms=1000 -t "$topic.absent" <<<x 2>/dev/null; then
        die "Kafka creates topics that nobody declared"
    fi
    say "Kafka: $RECORDS keyed records produced and consumed by kcat, an undeclared topic refused"
}

prove_object_store() {
    python3 "$NATIVE_DIR/buckets.py"
    say "object store: an object put into each bucket and read back"
}

prove_postgres
prove_redis
prove_kafka
prove_object_store
