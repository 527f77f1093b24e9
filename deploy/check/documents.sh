#!/usr/bin/env bash
# Runs the blocks of README.md and docs that are marked `<!-- checked -->`, as they stand: those that want a container engine or a
# cluster. `docker`, `kubectl` and `helm` are programs of deploy/check/documents there, which take what is said as far as that
# goes without either: compose files by the loader of `docker compose`, charts by helm, overlays by kustomize, objects by the
# schemas of Kubernetes; and then what is named has to be there.
#   documents.sh [FOLDER]   of a copy of the repository
source "$(dirname "$0")/../native/settings.sh"
source "$(dirname "$0")/checks.sh"

blocks() {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$STACK_TOOLS_DIR/kubernetes-validate python3 "$CHECK/documents.py" "$ROOT"
}

if [[ -z $ONLY ]]; then "$NATIVE_DIR/install.sh" check-containers check-kubernetes; fi
check "blocks of the documents" blocks
print_steps
exit "$FAILED"
