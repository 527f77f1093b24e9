#!/usr/bin/env bash
# Runs a command with the settings of this stack in its environment, and its tools on the PATH.
source "$(dirname "$0")/settings.sh"

exec "$@"
