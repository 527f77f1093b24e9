#!/usr/bin/env bash
# Runs what the pods of deploy/helm/values/in-cluster.yaml would run, with their commands, variables and Secrets, as
# processes in a network namespace of their own: no container, no cluster. Needs root, and programs that are built
# (PROGRAMS=DIR).
# Ends with 0 if all of it went well, and with 69 where the machine does not allow it.
source "$(dirname "$0")/../native/settings.sh"

OUT=$STACK_DIR/check/rehearsal
PROGRAMS=${PROGRAMS:-$REPO_DIR/target/debug}

if ((EUID != 0)) || ! unshare -n -m true 2>/dev/null; then
    say "not run: namespaces of the network and of mounts need root"
    exit 69
fi
"$NATIVE_DIR/install.sh" stack check-kubernetes
for program in "${SERVICES[@]}" depot; do
    [[ -x $PROGRAMS/$program ]] || die "$PROGRAMS/$program is not built: make build"
done
rm -rf "$OUT"
mkdir -p "$OUT"
helm template depot "$REPO_DIR/deploy/helm/depot" -f "$REPO_DIR/deploy/helm/values/in-cluster.yaml" >"$OUT/rendered.yaml"
export PYTHONPATH=$STACK_TOOLS_DIR/kubernetes-validate:$REPO_DIR/deploy/check
exec unshare -n -m python3 "$REPO_DIR/deploy/check/rehearsal/main.py" \
    --root "$REPO_DIR" --tools "$STACK_TOOLS_DIR" --programs "$PROGRAMS" --out "$OUT"
