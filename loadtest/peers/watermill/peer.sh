#!/usr/bin/env bash
# Watermill's SQL outbox with its forwarder. peer.sh install | drain ROWS [SECONDS] | latency RATE SECONDS
# PEER_BATCH (10000), PEER_POLL_MS (100), PEER_LINGER_MS (0) tune it.
source "$(dirname "$0")/../stage.sh"

# The subscriber's query sorts the whole backlog for each batch: its default of 100 would cost it most of its rate.
export PEER_BATCH=${PEER_BATCH:-10000} PEER_POLL_MS=${PEER_POLL_MS:-100}
# The forwarder awaits each send: a linger would be waited for with each.
export PEER_LINGER_MS=${PEER_LINGER_MS:-0}

SETTINGS=$(printf '{"subscribe_batch_size":%d,"poll_ms":%d,"linger_ms":%d,"acks":"all","idempotence":true}' \
    "$PEER_BATCH" "$PEER_POLL_MS" "$PEER_LINGER_MS")
go_peer "watermill 1.5.1, watermill-sql 4.1.2, watermill-kafka 3.0.6" "$SETTINGS" "$@"
