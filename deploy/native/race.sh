#!/usr/bin/env bash
# Checks the models of tests/race in every order of their threads. LOOM_MAX_PREEMPTIONS switches of threads in a run (2).
source "$(dirname "$0")/settings.sh"

cd "$REPO_DIR"
exec cargo test --locked -p depot-race --test models
