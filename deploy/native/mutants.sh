#!/usr/bin/env bash
# Changes the domain and the consumer in one place after the other, and lists the changes that no test notices: those that
# .cargo/mutants.toml names, with the reason, are left out; any other fails the run. Wants cargo-mutants.
#
# The domain has tests that need nothing. The consumer's changes go through its unit tests, and what those do not notice
# through its tests on Kafka, which take a minute each time.
#
# MUTANTS_PACKAGES (depot-domain depot-consumer), MUTANTS_SHARD=0/4 takes a part, MUTANTS_MINUTES (240) is the longest that
# each of the three may take. Arguments go to cargo-mutants: mutants.sh --file crates/consumer/src/retry.rs
STACK_PORT_OFFSET=${STACK_PORT_OFFSET:-$("$(dirname "$0")/port-offset.sh")}
export STACK_PORT_OFFSET
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

OUTPUT=$REPO_DIR/target/mutants
# Of what is committed, and changed in place: nothing is copied, and a run may go on while files are edited here.
TREE=$OUTPUT/tree
# Stays, so that what the packages depend on is compiled once. Not this checkout's: cargo takes the tree's packages for those
# of the checkout, and could take what was built of a mutant for what lies there.
export CARGO_TARGET_DIR=$OUTPUT/build
read -ra PACKAGES <<<"${MUTANTS_PACKAGES:-depot-domain depot-consumer}"
MINUTES=${MUTANTS_MINUTES:-240}
SHARD=()
[[ -z ${MUTANTS_SHARD:-} ]] || SHARD=(--shard "$MUTANTS_SHARD")
# To end at the first test that fails is an option of the harness that is not stable yet. The variable allows it where the
# tests run; set for the compiler, it would have everything compiled anew.
FAIL_FAST=(-Zunstable-options --fail-fast)
HOST=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
export "CARGO_TARGET_${HOST}_RUNNER=env RUSTC_BOOTSTRAP=1"
# Nobody reads where a mutant's tests failed, and finding out takes longer than most of them.
export RUST_BACKTRACE=0
LISTS=(caught missed timeout unviable)

if ! command -v cargo-mutants >/dev/null; then
    say "not run: cargo-mutants is not installed: cargo install --locked cargo-mutants"
    exit 1
fi

# shellcheck disable=SC2317 # called by the trap
clean_up() {
    git -C "$REPO_DIR" worktree remove --force "$TREE" 2>/dev/null || true
    [[ -z ${started_kafka:-} ]] || "$NATIVE_DIR/kafka.sh" stop
}

# Runs one stage; its lists are under $OUTPUT/STAGE/mutants.out.
stage() { # STAGE PACKAGE ARGUMENT…
    local name=$1 package=$2 status=0
    shift 2
    rm -rf "${OUTPUT:?}/$name"
    mkdir -p "$OUTPUT/$name"
    timeout --signal INT "$((MINUTES * 60))" nice cargo mutants --in-place --package "$package" --no-shuffle \
        --build-timeout 600 --output "$OUTPUT/$name" "$@" || status=$?
    case $status in
    # 2: some survive, 3: some ran out of time. Both are in the lists.
    0 | 2 | 3) ;;
    124) say "$package: not all within $MINUTES minutes; MUTANTS_SHARD takes a part" && failed=1 ;;
    *) die "cargo-mutants ended with $status: see $OUTPUT/$name/mutants.out/log" ;;
    esac
}

list_of() { cat "$OUTPUT/$1/mutants.out/$2.txt" 2>/dev/null || true; }

# The changes that a stage missed, as regular expressions of their names.
missed_by() { list_of "$1" missed | sed 's/[][\\.*^$+?(){}|]/\\&/g; s/^/^/; s/$/$/'; }

domain() { stage domain depot-domain --minimum-test-timeout 60 "${SHARD[@]}" "$@" -- -- "${FAIL_FAST[@]}"; }

consumer() {
    local missed=() name
    stage consumer-units depot-consumer --minimum-test-timeout 60 --cargo-arg=--lib "${SHARD[@]}" "$@" -- -- \
        "${FAIL_FAST[@]}"
    rm -rf "$OUTPUT/consumer-kafka"
    while IFS= read -r name; do missed+=(--re "$name"); done < <(missed_by consumer-units)
    ((${#missed[@]} > 0)) || return 0
    if ! process_pid kafka >/dev/null && is_private kafka; then
        started_kafka=yes
        "$NATIVE_DIR/kafka.sh" start
    fi
    # They wait for Kafka most of the time, and for what a mutant never does.
    export TEST_PATIENCE_SECONDS=${TEST_PATIENCE_SECONDS:-30}
    stage consumer-kafka depot-consumer --timeout 180 --cargo-arg=--test=it "${missed[@]}" -- -- \
        --test-threads=8 "${FAIL_FAST[@]}"
}

# What was missed by the last stage of a package; what the others counted adds up.
report() { # PACKAGE STAGE…
    local package=$1 list stage last=$2
    shift
    for stage in "$@"; do [[ ! -d $OUTPUT/$stage ]] || last=$stage; done
    for list in "${LISTS[@]}"; do
        if [[ $list == missed ]]; then
            list_of "$last" missed >"$OUTPUT/$package.$list"
        else
            for stage in "$@"; do list_of "$stage" "$list"; done >"$OUTPUT/$package.$list"
        fi
        printf '%-16s %-9s %s\n' "$package" "$list" "$(wc -l <"$OUTPUT/$package.$list")"
    done
    cat "$OUTPUT/$package.missed"
    [[ ! -s $OUTPUT/$package.missed ]] || failed=1
}

mkdir -p "$OUTPUT"
git -C "$REPO_DIR" worktree remove --force "$TREE" 2>/dev/null || true
git -C "$REPO_DIR" worktree add --quiet --detach "$TREE" HEAD
trap clean_up EXIT
cd "$TREE"
failed=0
for package in "${PACKAGES[@]}"; do
    case $package in
    depot-domain)
        domain "$@"
        report depot-domain domain
        ;;
    depot-consumer)
        consumer "$@"
        report depot-consumer consumer-units consumer-kafka
        ;;
    *) die "MUTANTS_PACKAGES: depot-domain and depot-consumer are known, not $package" ;;
    esac
done
exit "$failed"
