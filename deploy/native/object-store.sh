#!/usr/bin/env bash
# A private S3-compatible object store (SeaweedFS), all of its parts in one process on loopback.
# object-store.sh start|stop
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

DATA_DIR=$STACK_DIR/object-store
# What belongs to the gateway inside follows its port.
MASTER_PORT=$((STACK_S3_PORT + 1))
FILER_PORT=$((STACK_S3_PORT + 2))
VOLUME_PORT=$((STACK_S3_PORT + 3))

write_identities() {
    mkdir -p "$DATA_DIR"
    (
        umask 077
        python3 "$NATIVE_DIR/identities.py" >"$DATA_DIR/identities.json"
    )
}

start() {
    if ! process_pid object-store >/dev/null; then
        for port in "$STACK_S3_PORT" "$MASTER_PORT" "$FILER_PORT" "$VOLUME_PORT"; do
            require_free_port "$port" "the object store" STACK_S3_PORT
        done
        write_identities
        mkdir -p "$DATA_DIR/data" "$LOG_DIR/object-store"
        # Each bucket has volumes of its own. They are files that grow as they are written, so there may be many, as
        # tests have buckets of their own, but one is enough for a bucket to begin with.
        # Its one master elects itself after a time-out, which is a wait at each start.
        # It reports to its makers, opens more services and writes a log without end unless told not to.
        process_start object-store env -C "$DATA_DIR" WEED_MASTER_VOLUME_GROWTH_COPY_1=1 \
            weed -logdir="$LOG_DIR/object-store" -log_max_size_mb=20 -log_max_files=2 \
            -alsologtostderr=false -stderrthreshold=WARNING server \
            -dir="$DATA_DIR/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
            -master.telemetry=false -master.port="$MASTER_PORT" -master.port.grpc=$((MASTER_PORT + 10)) \
            -master.electionTimeout=1s -master.volumeSizeLimitMB=1024 \
            -volume.port="$VOLUME_PORT" -volume.port.grpc=$((VOLUME_PORT + 10)) -volume.max=20000 \
            -volume.preStopSeconds=1 \
            -filer -filer.port="$FILER_PORT" -filer.port.grpc=$((FILER_PORT + 10)) \
            -filer.localSocket="$DATA_DIR/filer.sock" \
            -s3 -s3.port="$STACK_S3_PORT" -s3.port.grpc=$((STACK_S3_PORT + 10)) -s3.ip.bind=127.0.0.1 \
            -s3.localSocket="$DATA_DIR/s3.sock" -s3.config="$DATA_DIR/identities.json" \
            -s3.port.iceberg=0 -s3.port.lance=0 -s3.iam=false -s3.autoCreateBucket=false
    fi
    # Its own health page is too early: an object must go in and come back.
    wait_ready object-store 90 python3 "$NATIVE_DIR/buckets.py"
}

case ${1:-} in
start) start ;;
stop) process_stop object-store TERM 30 ;;
*) die "usage: object-store.sh start|stop" ;;
esac
