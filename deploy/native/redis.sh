#!/usr/bin/env bash
# A private Redis: a cache, so it keeps nothing across a restart. redis.sh start|stop
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

start() {
    if ! process_pid redis >/dev/null; then
        require_free_port "$STACK_REDIS_PORT" Redis STACK_REDIS_PORT
        mkdir -p "$STACK_DIR/redis"
        process_start redis redis-server --bind 127.0.0.1 --port "$STACK_REDIS_PORT" --dir "$STACK_DIR/redis" \
            --save '' --appendonly no --maxmemory 256mb --maxmemory-policy allkeys-lru --daemonize no
    fi
    wait_ready redis 30 redis-cli -h 127.0.0.1 -p "$STACK_REDIS_PORT" ping
}

case ${1:-} in
start) start ;;
stop) process_stop redis TERM 10 ;;
*) die "usage: redis.sh start|stop" ;;
esac
