#!/usr/bin/env bash
# The image, by an engine: image.sh build|push
#   build   as depot:development. SOURCE=https://… becomes a label of it.
#   push    that image, to REPOSITORY=registry/name under the version that TAG=v1.2.3 names. What it is there, `name=` and
#           `digest=`, is added to the file RESULT.
set -euo pipefail
cd "$(dirname "$0")/../.."

IMAGE=depot:development

build() {
    docker build -f deploy/docker/Dockerfile -t "$IMAGE" \
        --build-arg VERSION="$(deploy/release.sh version)" \
        --build-arg REVISION="$(git rev-parse HEAD)" \
        --build-arg CREATED="$(date -u +%FT%TZ)" \
        --build-arg SOURCE="${SOURCE:-unknown}" .
    docker run --rm --read-only --cap-drop ALL --security-opt no-new-privileges "$IMAGE" depot --version
    docker image inspect --format 'bytes, unpacked: {{.Size}}' "$IMAGE"
}

push() {
    # A registry has small letters alone.
    local name=${REPOSITORY:?where to} pushed
    name=${name,,}
    : "${TAG:?as which version}"
    docker tag "$IMAGE" "$name:${TAG#v}"
    docker push "$name:${TAG#v}"
    pushed=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$IMAGE" | grep -F -m 1 "$name@sha256:")
    printf 'name=%s\ndigest=%s\n' "$name" "${pushed#*@}" | tee -a "${RESULT:-/dev/null}"
}

case ${1:-} in
build) build ;;
push) push ;;
*)
    printf 'usage: image.sh build|push\n' >&2
    exit 2
    ;;
esac
