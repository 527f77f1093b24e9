#!/usr/bin/env bash
# The patches of tests/rolling, when this tree has moved under them: next-version.sh edit|take next|contract-first.
# `edit` makes a copy of the tree in target/rolling/edit with the patch in it, as far as it applies; what does not lies beside
# its file as *.rej. `take` checks the queries that are new there, and writes the patch anew. It wants the backing services, and
# this version's migrations applied (make services-up migrate).
source "$(dirname "$0")/settings.sh"

USAGE="usage: next-version.sh edit|take next|contract-first"
ROLLING=${CARGO_TARGET_DIR:-$REPO_DIR/target}/rolling
EDIT=$ROLLING/edit
DATABASE=depot_next

# Patches that the one stands on.
below() { # NAME
    case $1 in
    next) ;;
    contract-first) echo next ;;
    *) die "$USAGE" ;;
    esac
}

git_there() {
    git -C "$EDIT" -c user.name=depot -c user.email=depot@localhost "$@"
}

edit() { # NAME
    local under
    under=$(below "$1")
    (cd "$REPO_DIR" && cargo build -q --locked --workspace --bins --test contract)
    rm -rf "$EDIT"
    # shellcheck disable=SC2086 # none or one
    "${ROLLING%/*}/debug/depot-rolling" tree "$EDIT" $under
    git_there init -q
    git_there add -A -f
    git_there commit -qm "what the patch is for"
    git_there apply --reject --whitespace=nowarn "$REPO_DIR/tests/rolling/$1.patch" ||
        say "mend what lies in *.rej files"
    say "edit $EDIT, then: deploy/native/next-version.sh take $1"
}

# A copy of the stack's database, with the migrations that this tree does not have.
migrate_next() {
    local url=${MIGRATE_DATABASE_URL%/*} file
    psql -qX "$MIGRATE_DATABASE_URL" -c "DROP DATABASE IF EXISTS $DATABASE" \
        -c "CREATE DATABASE $DATABASE TEMPLATE \"${MIGRATE_DATABASE_URL##*/}\""
    while IFS= read -r file; do
        [[ -f $REPO_DIR/$file ]] || psql -qX -v ON_ERROR_STOP=1 "$url/$DATABASE" -f "$EDIT/$file"
    done < <(cd "$EDIT" && find migrations -name '*.up.sql' | sort)
}

# As sqlx-prepare.sh does, of what is new alone.
prepare_queries() {
    local prepared file
    prepared=$(mktemp -d)
    cd "$EDIT"
    grep -rlE --include='*.rs' 'query(_as|_scalar|_file|_file_as|_file_scalar)?!' command-api query-api projector uploader crates |
        xargs -r touch
    SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$prepared \
        DATABASE_URL="${MIGRATE_DATABASE_URL%/*}/$DATABASE?options=-csearch_path%3Dcommand" \
        CARGO_BUILD_BUILD_DIR=${ROLLING%/*} CARGO_TARGET_DIR=$EDIT.built \
        cargo build --locked --workspace --bin depot --bin command-api --bin query-api --bin projector --bin uploader \
        --test contract
    for file in "$prepared"/query-*.json; do
        [[ -f .sqlx/${file##*/} ]] || cp "$file" .sqlx/
    done
    rm -rf "$prepared" "$EDIT.built"
    cd "$REPO_DIR"
}

take() { # NAME
    below "$1" >/dev/null
    [[ -z $(find "$EDIT" -name '*.rej' -print -quit) ]] || die "there are *.rej files in $EDIT: mend them and remove them"
    migrate_next
    prepare_queries
    psql -qX "$MIGRATE_DATABASE_URL" -c "DROP DATABASE $DATABASE"
    git_there add -A -f
    git_there diff --cached >"$REPO_DIR/tests/rolling/$1.patch"
    say "wrote tests/rolling/$1.patch"
}

(($# == 2)) || die "$USAGE"
case $1 in
edit) edit "$2" ;;
take) take "$2" ;;
*) die "$USAGE" ;;
esac
