#!/usr/bin/env bash
# Checks every query against a migrated database and writes what was learned to .sqlx, where builds read it.
# `sqlx-prepare.sh --check` fails if that differs from what is committed, and changes nothing.
source "$(dirname "$0")/settings.sh"

PREPARED=$(mktemp -d)
trap 'rm -rf "$PREPARED"' EXIT

prepare() {
    # The macros run when their file is compiled, so each file that has one must look changed.
    grep -rlE --include='*.rs' 'query(_as|_scalar|_file|_file_as|_file_scalar)?!' command-api query-api projector uploader crates tests |
        xargs -r touch
    SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$PREPARED \
        DATABASE_URL="$MIGRATE_DATABASE_URL?options=-csearch_path%3Dcommand" \
        cargo check --locked --workspace --all-targets
}

cd "$REPO_DIR"
prepare
if [[ ${1:-} == --check ]]; then
    diff -rq .sqlx "$PREPARED" || die "queries and .sqlx differ: run make sqlx-prepare"
else
    mkdir -p .sqlx
    rm -f .sqlx/query-*.json
    cp "$PREPARED"/query-*.json .sqlx/
fi
