# shellcheck shell=bash
# Sourced by checks of files that may be a copy's: [--only CHECK] [FOLDER] become ONLY, ROOT and CHECK (where these scripts lie);
# `check NAME COMMAND…` runs one and notes in FAILED that it found something.
source "$NATIVE_DIR/steps.sh"

ONLY=
if [[ ${1:-} == --only ]]; then
    ONLY=${2:?which check}
    shift 2
fi
# shellcheck disable=SC2034 # those that source this use them
CHECK=$REPO_DIR/deploy/check
# shellcheck disable=SC2034
ROOT=$(cd "${1:-$REPO_DIR}" && pwd)
FAILED=0

# shellcheck disable=SC2034
check() { # NAME COMMAND…
    [[ -z $ONLY || $ONLY == "$1" ]] || return 0
    step "$@" || FAILED=1
}
