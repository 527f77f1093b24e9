#!/usr/bin/env bash
# Validates what builds and runs containers, with the tools that install.sh pins; needs no container engine.
#   containers.sh [FOLDER]                of a copy of the repository
#   containers.sh --only CHECK [FOLDER]   one of the checks below, with what is installed already
#
# With PROGRAMS=target/release, the folder of programs that were built, the image's libraries are compared with theirs.
source "$(dirname "$0")/../native/settings.sh"
source "$(dirname "$0")/checks.sh"

PROGRAMS=${PROGRAMS:+$(cd "$PROGRAMS" && pwd)}

versions() {
    hadolint --version
    check-jsonschema --version
    printf 'compose-spec %s\n' "$(go version -m "$(command -v compose-spec)" | awk '$1 == "mod" { print $2, $3 }')"
    shellcheck --version | sed -n 's/^version: /shellcheck /p'
    python3 --version
}

# hadolint.
dockerfiles() { find deploy/docker -name Dockerfile -exec hadolint --no-color {} +; }

# The Compose specification's own.
schema() { check-jsonschema --builtin-schema vendor.compose-spec deploy/docker-compose*.yml deploy/docker/docker-compose*.yml; }

scripts() {
    find deploy/check deploy/docker deploy/pin.sh loadtest/attack.sh -name '*.sh' \
        -exec shellcheck -x -S warning --source-path=SCRIPTDIR {} +
}

# The compose files, .env.example and the chart's schema against what the code defines; what is rendered is kubernetes.sh's.
settings() {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$STACK_TOOLS_DIR/pyyaml python3 "$CHECK/settings.py" --root "$ROOT"
}

# Against a registry of the test's own.
pinning() { PYTHONDONTWRITEBYTECODE=1 python3 deploy/pin/test_pin.py; }

libraries() {
    if [[ -n $PROGRAMS ]]; then
        check "libraries" deploy/check/image-libraries.sh "$PROGRAMS"
    elif [[ -z $ONLY ]]; then
        skip_step "libraries"
    fi
}

if [[ -z $ONLY ]]; then "$NATIVE_DIR/install.sh" check-containers; fi
cd "$ROOT"
if [[ -z $ONLY ]]; then versions; fi
check "Dockerfiles" dockerfiles
check "compose schema" schema
check "compose rules" env PYTHONDONTWRITEBYTECODE=1 python3 "$CHECK/compose.py" deploy
check "settings" settings
check "scripts" scripts
check "manifests" "$CHECK/image-manifests.sh" .
libraries
check "pinning" pinning
((${#STEP_TABLE[@]} > 0)) || die "there is no check called $ONLY, or it wants PROGRAMS"
print_steps
exit "$FAILED"
