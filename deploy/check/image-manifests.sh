#!/usr/bin/env bash
# What the image's dependency layer is built from: that the files which reach the build (Dockerfile.dockerignore) hold every
# member of the workspace, and that the tree of manifests that is left of them resolves under the committed lock. Builds
# nothing; wants the dependencies' manifests, which Cargo fetches where they are not there.
#   image-manifests.sh [FOLDER]    of a copy of the repository
set -euo pipefail

REPO=$(cd "${1:-$(dirname "$0")/../..}" && pwd)
DOCKERFILE=$REPO/deploy/docker/Dockerfile
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# The paths that the list lets through; it has no pattern among them.
context() { sed -n 's/^!//p' "$DOCKERFILE.dockerignore"; }

# The command of the stage `manifests`, as the image's build runs it.
command_of_stage() {
    awk '/^FROM .* AS manifests$/ { inside = 1; next } /^FROM / { inside = 0 }
        inside && /^RUN / { sub(/^RUN /, ""); running = 1 } inside && running { print }' "$DOCKERFILE"
}

mapfile -t paths < <(context)
tar -C "$REPO" --exclude=target --exclude=.env -cf - "${paths[@]}" | tar -C "$tree" -xf -
cd "$tree"
bash -euc "$(command_of_stage)"
[[ -f Cargo.lock && -z $(find . -name '*.rs' -size +100c) ]] || {
    printf 'the command of the stage leaves other files than manifests and empty sources\n'
    exit 1
}
cargo metadata -q --locked --format-version 1 --filter-platform "$(rustc -vV | sed -n 's/^host: //p')" >/dev/null
printf '%s manifests resolve under the committed lock\n' "$(find . -name Cargo.toml | wc -l)"
