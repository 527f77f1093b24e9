#!/usr/bin/env bash
# Writes into compose files, Dockerfiles and workflows what their names stand for now: the digest of each image, the
# commit of each action. Asks the registries and the repositories; where one does not answer, nothing is changed.
#   pin.sh [FOLDER]    of a copy of the repository
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
cd "${1:-$HERE/..}"
mapfile -t files < <(find deploy -name 'docker-compose*.yml' -o -path 'deploy/docker/*' \( -name '*.yml' -o -name Dockerfile \) | sort)
mapfile -t -O "${#files[@]}" files < <(find .github/workflows -name '*.yml' -o -name '*.yaml' | sort)
exec python3 "$HERE/pin/pin.py" "${files[@]}"
