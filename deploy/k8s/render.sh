#!/usr/bin/env bash
# Writes deploy/k8s anew from the chart, after a change of it. render.sh [FOLDER]
source "$(dirname "$0")/../native/settings.sh"

"$NATIVE_DIR/install.sh" check-kubernetes
PYTHONPATH=$STACK_TOOLS_DIR/kubernetes-validate exec python3 "$REPO_DIR/deploy/k8s/render.py" "$@"
