#!/usr/bin/env bash
# Draws docs/images/pipeline-dashboard.svg: a Prometheus of its own scrapes the running stack through a minute of load.
# OUT names another file, DURATION another time of load.
source "$(dirname "$0")/../native/settings.sh"

OUT=${OUT:-$REPO_DIR/docs/images/pipeline-dashboard.svg}
DASHBOARD=$REPO_DIR/deploy/grafana/dashboards/pipeline.json
PORT=$((19090 + STACK_PORT_OFFSET))
URL=http://127.0.0.1:$PORT
FOLDER=$(mktemp -d)
PROMETHEUS=

finish() {
    if [[ -n $PROMETHEUS ]]; then
        kill "$PROMETHEUS" 2>/dev/null || true
        wait "$PROMETHEUS" 2>/dev/null || true
    fi
    rm -rf "$FOLDER"
}
trap finish EXIT

# The deployed configuration, but for where the programs are and how often they are asked.
configuration() {
    local replaced=(-e 's/scrape_interval: .*/scrape_interval: 1s/' -e 's/evaluation_interval: .*/evaluation_interval: 1s/'
        -e "s|rules/\*.yml|$REPO_DIR/deploy/prometheus/rules/*.yml|") program variable port
    for program in command-api:9180 query-api:9181 projector:9182 uploader:9183; do
        variable=${program%:*}_ADMIN_PORT variable=${variable//-/_} variable=${variable^^}
        port=${!variable}
        curl -sf -o "$FOLDER/probe" "http://127.0.0.1:$port/livez" || die "${program%:*} does not answer on port $port: make up"
        replaced+=(-e "s/\"$program\"/\"127.0.0.1:$port\"/")
    done
    sed "${replaced[@]}" "$REPO_DIR/deploy/prometheus/prometheus.yml"
}

"$NATIVE_DIR/install.sh" check-rules
configuration >"$FOLDER/prometheus.yml"
prometheus --config.file="$FOLDER/prometheus.yml" --storage.tsdb.path="$FOLDER/data" --web.listen-address="127.0.0.1:$PORT" \
    >"$FOLDER/log" 2>&1 &
PROMETHEUS=$!
curl -sf --retry 60 --retry-delay 1 --retry-all-errors -o "$FOLDER/probe" "$URL/-/ready" ||
    die "Prometheus does not start: $(tail -n 3 "$FOLDER/log")"
# What a second's rates are made of, before there is load.
sleep 10
DURATION=${DURATION:-60s} make -s -C "$REPO_DIR" load
sleep 10
"$REPO_DIR/deploy/grafana/draw.py" --url "$URL" --dashboard "$DASHBOARD" --seconds 90 --rate-interval 5s "$OUT"
