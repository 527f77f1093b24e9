#!/usr/bin/env bash
# Changes the domain and the consumer in one place after the other, and lists the changes that no test notices: those that
# .cargo/mutants.toml names, with the reason, are left out; any other fails the run. Wants cargo-mutants.
#
# mutants.py makes one program of all changes and runs the tests against each; what cannot be in it, cargo-mutants tries one by
# one. The consumer's changes go through its unit tests, and what those do not notice through its tests on Kafka, which take
# half a minute each time.
#
# MUTANTS_PACKAGES (depot-domain depot-consumer).
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
# Programs of tests that run side by side.
JOBS=$(nproc)
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

# All changes in one program: the lists are $OUTPUT/PACKAGE/*.txt, those that cannot be in it apart.txt.
together() { # PACKAGE STAGE…
    local package=$1
    shift
    rm -rf "${OUTPUT:?}/$package"
    nice python3 "$NATIVE_DIR/mutants.py" "$TREE" "$package" "$OUTPUT/$package" "$@"
}

# Tries changes one by one, by the names in a list; the lists are $OUTPUT/STAGE/mutants.out/*.txt.
one_by_one() { # LIST STAGE PACKAGE ARGUMENT…
    local list=$1 name=$2 package=$3 status=0 chosen=() line
    shift 3
    rm -rf "${OUTPUT:?}/$name"
    # As regular expressions.
    while IFS= read -r line; do chosen+=(--re "^$line\$"); done < <(sed 's/[][\\.*^$+?(){}|]/\\&/g' "$list")
    ((${#chosen[@]} > 0)) || return 0
    mkdir -p "$OUTPUT/$name"
    nice cargo mutants --in-place --package "$package" --no-shuffle --build-timeout 600 --output "$OUTPUT/$name" \
        "${chosen[@]}" "$@" || status=$?
    case $status in
    # 2: some survive, 3: some ran out of time. Both are in the lists.
    0 | 2 | 3) ;;
    *) die "cargo-mutants ended with $status: see $OUTPUT/$name/mutants.out/log" ;;
    esac
}

domain() {
    together depot-domain "60 $JOBS depot_domain,bounds,changes"
    one_by_one "$OUTPUT/depot-domain/apart.txt" domain-apart depot-domain --minimum-test-timeout 60 --cargo-arg=--tests \
        -- -- "${FAIL_FAST[@]}"
}

consumer() {
    if ! process_pid kafka >/dev/null && is_private kafka; then
        started_kafka=yes
        "$NATIVE_DIR/kafka.sh" start
    fi
    # They wait for Kafka most of the time, and for what a mutant never does: so more of them side by side.
    export TEST_PATIENCE_SECONDS=${TEST_PATIENCE_SECONDS:-30}
    together depot-consumer "60 $JOBS depot_consumer" "300 $((2 * JOBS)) it --test-threads=8"
    one_by_one "$OUTPUT/depot-consumer/apart.txt" consumer-apart depot-consumer --minimum-test-timeout 60 --cargo-arg=--lib \
        -- -- "${FAIL_FAST[@]}"
    list_of consumer-apart missed >"$OUTPUT/consumer-left.txt"
    one_by_one "$OUTPUT/consumer-left.txt" consumer-kafka depot-consumer --timeout 300 --cargo-arg=--test=it -- -- \
        --test-threads=8 "${FAIL_FAST[@]}"
}

# There is none of a stage that had nothing to try.
print_if_there() { [[ ! -f $1 ]] || cat "$1"; }

list_of() { print_if_there "$OUTPUT/$1/mutants.out/$2.txt"; }

# What all stages counted, each change once; what was missed, by the last one that tried it.
report() { # PACKAGE STAGE…
    local package=$1 list stage last=$2
    shift
    for stage in "$@"; do [[ ! -d $OUTPUT/$stage ]] || last=$stage; done
    for list in "${LISTS[@]}"; do
        {
            print_if_there "$OUTPUT/$package/$list.txt"
            for stage in "$@"; do [[ $list == missed && $stage != "$last" ]] || list_of "$stage" "$list"; done
        } | sort -u >"$OUTPUT/$package.$list"
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
        domain
        report depot-domain domain-apart
        ;;
    depot-consumer)
        consumer
        report depot-consumer consumer-apart consumer-kafka
        ;;
    *) die "MUTANTS_PACKAGES: depot-domain and depot-consumer are known, not $package" ;;
    esac
done
exit "$failed"
