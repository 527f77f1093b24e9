#!/usr/bin/env bash
# Runs the round trip that build.sh left in FOLDER: GRPC=host:port COMMAND_URL=… TOKEN=… run.sh FOLDER
set -euo pipefail

exec "${1:?run.sh FOLDER}/round-trip"
