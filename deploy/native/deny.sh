#!/usr/bin/env bash
# Holds the dependencies of both workspaces, the services' and that of the fuzz targets, to deny.toml.
# deny.sh [advisories]: bans, licences and sources; or what has become known of them, which needs the network.
source "$(dirname "$0")/settings.sh"

GUIDED=$REPO_DIR/tests/fuzz/guided/Cargo.toml
CHECKS=(-A duplicate -A license-exception-not-encountered bans licenses sources)
if [[ ${1:-} == advisories ]]; then CHECKS=(advisories); fi

"$NATIVE_DIR/install.sh" deny
cd "$REPO_DIR"
for manifest in Cargo.toml "$GUIDED"; do
    cargo deny --config deny.toml --manifest-path "$manifest" --locked --all-features check "${CHECKS[@]}"
done
