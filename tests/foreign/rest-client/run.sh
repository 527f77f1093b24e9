#!/usr/bin/env bash
# Runs the round trip with the clients that build.sh left in FOLDER: COMMAND_URL=… QUERY_URL=… TOKEN=… run.sh FOLDER
source "$(dirname "$0")/../../../deploy/native/settings.sh"

out=${1:?run.sh FOLDER}
PYTHONPATH=$out:$STACK_TOOLS_DIR/rest-client PYTHONDONTWRITEBYTECODE=1 exec python3 "$out/round_trip.py"
