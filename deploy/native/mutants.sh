#!/usr/bin/env bash
# Changes the domain and the consumer in one place after the other, and lists the changes that no test notices. Wants
# cargo-mutants. MUTANTS_SHARD=0/4 takes a part, MUTANTS_MINUTES (60) is the longest that it may take for each package.
STACK_PORT_OFFSET=${STACK_PORT_OFFSET:-$("$(dirname "$0")/port-offset.sh")}
export STACK_PORT_OFFSET
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

OUTPUT=$REPO_DIR/target/mutants
# Of what is committed: the whole tree is copied, and data of running servers changes while that is done.
TREE=$OUTPUT/tree
MINUTES=${MUTANTS_MINUTES:-60}
SHARD=()
[[ -z ${MUTANTS_SHARD:-} ]] || SHARD=(--shard "$MUTANTS_SHARD")

if ! command -v cargo-mutants >/dev/null; then
    say "not run: cargo-mutants is not installed: cargo install cargo-mutants"
    exit 1
fi

# shellcheck disable=SC2317 # called by the trap
remove_tree() { git -C "$REPO_DIR" worktree remove --force "$TREE" 2>/dev/null || true; }

mkdir -p "$OUTPUT"
remove_tree
git -C "$REPO_DIR" worktree add --quiet --detach "$TREE" HEAD
trap remove_tree EXIT
cd "$TREE"
was_running=$(process_pid kafka || true)
# The consumer's tests read and write a real log.
"$NATIVE_DIR/backing.sh" start
status=0
for package in depot-domain depot-consumer; do
    mkdir -p "$OUTPUT/$package"
    timeout --signal INT "$((MINUTES * 60))" nice cargo mutants --package "$package" --minimum-test-timeout 60 \
        --build-timeout 600 --no-shuffle --output "$OUTPUT/$package" "${SHARD[@]}" "$@" || status=$?
    # 2: some survive, 3: some ran out of time. Both are in the lists, and no fault of the run.
    ((status == 2 || status == 3)) && status=0
    for list in caught missed timeout unviable; do
        printf '%-16s %-9s %s\n' "$package" "$list" "$(wc -l <"$OUTPUT/$package/mutants.out/$list.txt" 2>/dev/null || echo 0)"
    done
    cat "$OUTPUT/$package/mutants.out/missed.txt" 2>/dev/null || true
done
[[ -n $was_running ]] || "$NATIVE_DIR/backing.sh" stop
exit "$status"
