#!/usr/bin/env bash
# Puts load on an installation, commands and queries at once, and writes into a folder: a text report of each, a page and
# a picture of latencies over time. Fails if requests failed.
#
#   TOKEN=… COMMAND_PUBLIC_URL=… QUERY_PUBLIC_URL=… attack.sh FOLDER
#
# DURATION, COMMANDS_PER_SECOND and QUERIES_PER_SECOND say how much. Needs vegeta and python3 and nothing else of the
# machine, so that it runs in a container too.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
RESULTS=${1:?into which folder}
DURATION=${DURATION:-60s}
declare -A RATE=([commands]=${COMMANDS_PER_SECOND:-30} [queries]=${QUERIES_PER_SECOND:-90})
IDS=$RESULTS/ids.txt

say() { printf '%s\n' "$*" >&2; }

attack() { # commands|queries
    # Targets are made while they are used: each POST has a key of its own.
    python3 "$HERE/targets.py" "$1" "$IDS" |
        vegeta attack -name="$1" -format=json -lazy -rate="${RATE[$1]}/s" -duration="$DURATION" -timeout=30s \
            -max-body=0 -output="$RESULTS/$1.bin"
}

report() { # commands|queries
    vegeta report "$RESULTS/$1.bin" >"$RESULTS/$1.txt"
    vegeta encode -to=csv "$RESULTS/$1.bin" >"$RESULTS/$1.csv"
    say "== $1, ${RATE[$1]} a second for $DURATION"
    cat "$RESULTS/$1.txt"
}

all_succeeded() { # commands|queries
    vegeta report -type=json "$RESULTS/$1.bin" | python3 -c 'import json, sys; sys.exit(json.load(sys.stdin)["success"] < 1)'
}

mkdir -p "$RESULTS"
python3 "$HERE/targets.py" seed 50 >"$IDS"

say "$DURATION of load: ${RATE[commands]} commands and ${RATE[queries]} queries a second"
attack commands &
commands=$!
attack queries &
wait "$commands" $!

report commands
report queries
vegeta plot -title="Depot under load" "$RESULTS/commands.bin" "$RESULTS/queries.bin" >"$RESULTS/latency.html"
python3 "$HERE/plot.py" "$RESULTS/commands.csv" "$RESULTS/queries.csv" >"$RESULTS/latency.svg"
rm -f "$RESULTS"/*.csv
say "plots: $RESULTS/latency.html, $RESULTS/latency.svg"
all_succeeded commands && all_succeeded queries || {
    say "error: requests failed: see the reports"
    exit 1
}
