#!/usr/bin/env bash
# As many reads as are answered, on the running stack of this checkout, by the plain lines of wrk and hey: lists, then one item.
# Both wait for an answer before they send the next request, so their latencies leave out what a queue would add
# (`make load` is at a constant rate and does not). Fails if no request was answered 200.
#
# What is beyond a principal's rate is answered 429, and is no read: for as much as the services can do, bring the stack up
# without that limit.
#
#   RATE_LIMIT_PER_SECOND=1000000 RATE_LIMIT_BURST=1000000 make up
#   DURATION=30s make saturate
source "$(dirname "$0")/../deploy/native/settings.sh"

DURATION=${DURATION:-30s}
LIST=${QUERY_PUBLIC_URL:-http://localhost:8081}/api/v1/items

"$NATIVE_DIR/status.sh" >/dev/null || die "the stack is not running: make up"
TOKEN=$(cd "$REPO_DIR" && "${CARGO_TARGET_DIR:-$REPO_DIR/target}/debug/depot" token --role writer --sub load)
export TOKEN
mapfile -t ids < <(python3 "$REPO_DIR/loadtest/targets.py" seed 50)
ITEM=$LIST/${ids[0]}

saturate() { # URL
    say "== wrk -t12 -c400 -d$DURATION $1"
    wrk -t12 -c400 -d"$DURATION" --latency -H "Authorization: Bearer $TOKEN" "$1" | tee /dev/stderr | grep -q 'Requests/sec' ||
        die "wrk measured nothing"
    say "== hey -z $DURATION -c 50 $1"
    hey -z "$DURATION" -c 50 -H "Authorization: Bearer $TOKEN" "$1" | tee /dev/stderr | grep -q '\[200\]' ||
        die "no request was answered 200"
}

saturate "$LIST"
saturate "$ITEM"
