#!/usr/bin/env bash
# Validates the OpenAPI and AsyncAPI documents with the specifications' own tools, that install.sh pins. What they say is compared
# with the code by `make contracts`.
#   contracts.sh [FOLDER]                of a copy of the repository
#   contracts.sh --only CHECK [FOLDER]   one of the checks below, with what is installed already
source "$(dirname "$0")/../native/settings.sh"
source "$(dirname "$0")/checks.sh"

versions() {
    openapi-spec-validator --version
    python3 --version
    if command -v npm >/dev/null; then printf 'node %s\n' "$(node --version)"; fi
}

openapi() {
    local document failed=0
    for document in schemas/openapi/*.json; do openapi-spec-validator "$document" || failed=1; done
    return "$failed"
}

asyncapi() { node "$CHECK/asyncapi/parse.mjs" "$STACK_TOOLS_DIR/asyncapi/node_modules" schemas/asyncapi.yaml; }

if [[ -z $ONLY ]]; then "$NATIVE_DIR/install.sh" check-contracts; fi
cd "$ROOT"
if [[ -z $ONLY ]]; then versions; fi
check "openapi" openapi
if command -v npm >/dev/null; then
    check "asyncapi" asyncapi
else
    say "NOT RUN: schemas/asyncapi.yaml is not read by AsyncAPI's parser, which wants node and npm"
    skip_step "asyncapi"
fi
((${#STEP_TABLE[@]} > 0)) || die "there is no check called $ONLY"
print_steps
exit "$FAILED"
