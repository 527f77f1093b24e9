#!/usr/bin/env bash
# The relay that most people write. peer.sh install | drain ROWS [SECONDS] | latency RATE SECONDS
# PEER_WORKERS (1), PEER_BATCH (100), PEER_POLL_MS (100), PEER_LINGER_MS (0) tune it.
source "$(dirname "$0")/../stage.sh"

export PEER_WORKERS=${PEER_WORKERS:-1} PEER_BATCH=${PEER_BATCH:-100} PEER_POLL_MS=${PEER_POLL_MS:-100}
# Each send is awaited: a linger would be waited for with each.
export PEER_LINGER_MS=${PEER_LINGER_MS:-0}

SETTINGS=$(printf '{"workers":%d,"rows_a_transaction":%d,"poll_ms":%d,"linger_ms":%d,"acks":"all","idempotence":true}' \
    "$PEER_WORKERS" "$PEER_BATCH" "$PEER_POLL_MS" "$PEER_LINGER_MS")
go_peer "franz-go 1.22.3, pgx 5.12.0" "$SETTINGS" "$@"
