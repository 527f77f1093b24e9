#!/usr/bin/env bash
# A second S3 server (Versity's gateway on a plain folder), to see that nothing depends on the first one's ways.
# second-store.sh start|stop|endpoint
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

PORT=$((STACK_S3_PORT + 100))
ENDPOINT=http://127.0.0.1:$PORT
DATA_DIR=$STACK_DIR/second-store

# Accounts may do everything here: that each identity can do only its part is shown on the first store.
add_account() { # ACCESS_KEY SECRET_KEY
    versitygw admin --endpoint-url "$ENDPOINT" --access "$STACK_MINIO_ACCESS_KEY" --secret "$STACK_MINIO_SECRET_KEY" \
        create-user --access "$1" --secret "$2" --role admin >>"$LOG_DIR/second-store.log" 2>&1
}

has_account() { # ACCESS_KEY
    versitygw admin --endpoint-url "$ENDPOINT" --access "$STACK_MINIO_ACCESS_KEY" --secret "$STACK_MINIO_SECRET_KEY" \
        list-users 2>/dev/null | grep -qw -- "$1"
}

start() {
    if ! process_pid second-store >/dev/null; then
        require_free_port "$PORT" "the second object store" STACK_S3_PORT
        mkdir -p "$DATA_DIR/buckets" "$DATA_DIR/accounts"
        ROOT_ACCESS_KEY=$STACK_MINIO_ACCESS_KEY ROOT_SECRET_KEY=$STACK_MINIO_SECRET_KEY process_start second-store \
            versitygw --quiet --port "127.0.0.1:$PORT" --region "$S3_REGION" --iam-dir "$DATA_DIR/accounts" \
            posix "$DATA_DIR/buckets"
    fi
    MINIO_ENDPOINT=$ENDPOINT wait_ready second-store 30 python3 "$NATIVE_DIR/buckets.py"
    has_account "$COMMAND_API_MINIO_ACCESS_KEY" || add_account "$COMMAND_API_MINIO_ACCESS_KEY" "$COMMAND_API_MINIO_SECRET_KEY"
    has_account "$QUERY_API_MINIO_ACCESS_KEY" || add_account "$QUERY_API_MINIO_ACCESS_KEY" "$QUERY_API_MINIO_SECRET_KEY"
    has_account "$UPLOADER_MINIO_ACCESS_KEY" || add_account "$UPLOADER_MINIO_ACCESS_KEY" "$UPLOADER_MINIO_SECRET_KEY"
}

case ${1:-} in
start) start ;;
stop) process_stop second-store ;;
endpoint) printf '%s\n' "$ENDPOINT" ;;
*) die "usage: second-store.sh start|stop|endpoint" ;;
esac
