#!/usr/bin/env bash
# Repeats the tests in which things meet, while other processes want the processors. stress.sh [ROUNDS]
# STRESS_SIDE_BY_SIDE (4) rounds run at once: most tests wait most of the time, and each round is a load for the others.
# Ends with the first round that fails, after ROUNDS (50), or after STRESS_MINUTES (90), and says how many rounds passed.
STACK_PORT_OFFSET=${STACK_PORT_OFFSET:-$("$(dirname "$0")/port-offset.sh")}
export STACK_PORT_OFFSET
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"

ROUNDS=${1:-50}
MINUTES=${STRESS_MINUTES:-90}
SIDE_BY_SIDE=${STRESS_SIDE_BY_SIDE:-4}
LOG=$STACK_DIR/log/stress

[[ $ROUNDS =~ ^[1-9][0-9]*$ ]] || die "usage: stress.sh [ROUNDS]"

# Parts of names of tests: those that race, wait for each other, come and go, or end together.
MEETINGS=(
    of_many_racers of_many_writers of_many_stores of_many_copies of_projectors_that_race projectors_that_race_for_several racing_requests
    batches_that_gather
    a_repeat_while_the_first_is_under_way a_client_that_goes_away_cancels_nothing
    victim_of_a_deadlock lock_in_time read_was_overtaken
    a_database_that_falls_silent the_database_is_cut_off
    an_older_transaction_that_waited a_late_commit a_transaction_of_many_pages
    a_leader_stopped a_partition_with_an_open_writers_row a_writer_that_commits_while
    records_of_a_key_run_in_order members_that_come a_revoke_cancels the_order_of_every_key killed_at_each_call
    two_members_of_a_group a_late_projector
    whichever_of_cancel_and_store whatever_meets_at_an_item has_the_row_first the_client_and_the_store_at_once
    several_instances_at_once many_who_begin_at_once a_reference_and_the_last_removal one_upload_stored_by
    come_together goes_away_another_looks change_between_registering is_waited_for_and_shown woken_by
    the_last_to_go_leaves_nothing a_reader_that_does_not_keep_up only_so_many
    tasks_are_joined a_request_under_way_is_finished as_many_places one_call_a_rest
)
# Without those of documentation, which rustdoc is started for.
TESTS=(--locked --workspace --lib --bins --tests --exclude depot-end-to-end)
LOADS=()
# Of the rounds that are under way: what is started in the background hears no Ctrl-C.
UNDER_WAY=()

# shellcheck disable=SC2317 # called by the trap
end_load() {
    local pid
    for pid in "${LOADS[@]}" "${UNDER_WAY[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
}

# Two for each processor: every thread of a test is taken off its processor all the time.
begin_load() {
    local number
    for ((number = 0; number < 2 * $(nproc); number++)); do
        (while :; do :; done) &
        LOADS+=($!)
    done
}

# In a process of its own.
run_round() { # NUMBER
    exec cargo test "${TESTS[@]}" --no-fail-fast -- "${MEETINGS[@]}" >"$LOG.$1.log" 2>&1
}

# A test that got another name would drop out unseen.
every_name_is_a_test() {
    local name names
    names=$(cargo test "${TESTS[@]}" -- --list 2>/dev/null)
    for name in "${MEETINGS[@]}"; do
        grep -q "$name.*: test$" <<<"$names" || die "no test is called $name"
    done
}

# As many as there is room for, beginning with that one.
run_rounds() { # FIRST
    local number last=$(($1 + SIDE_BY_SIDE - 1)) at status=0
    UNDER_WAY=()
    ((last <= ROUNDS)) || last=$ROUNDS
    for ((number = $1; number <= last; number++)); do
        run_round "$number" &
        UNDER_WAY+=($!)
    done
    for at in "${!UNDER_WAY[@]}"; do
        number=$(($1 + at))
        if wait "${UNDER_WAY[at]}"; then
            tests=$(awk '/^test result:/ { passed += $4 } END { print passed + 0 }' "$LOG.$number.log")
            ((++passed))
            say "round $number of $ROUNDS: $tests tests passed, $((SECONDS - began)) s"
        else
            grep -E '^test .* FAILED$|panicked at' "$LOG.$number.log" >&2 || tail -n 20 "$LOG.$number.log" >&2
            say "round $number failed: see $LOG.$number.log"
            status=1
        fi
    done
    UNDER_WAY=()
    return "$status"
}

cd "$REPO_DIR"
mkdir -p "${LOG%/*}"
was_running=$(process_pid kafka || true)
"$NATIVE_DIR/backing.sh" start
cargo test "${TESTS[@]}" --no-run
every_name_is_a_test
trap end_load EXIT
begin_load

status=0
passed=0
began=$SECONDS
rm -f "$LOG".*.log
for ((first = 1; first <= ROUNDS && SECONDS - began < MINUTES * 60; first += SIDE_BY_SIDE)); do
    run_rounds "$first" || {
        status=1
        break
    }
done
end_load
[[ -n $was_running ]] || "$NATIVE_DIR/backing.sh" stop
printf 'rounds=%d of %d tests=%d failed=%d seconds=%d\n' "$passed" "$ROUNDS" "${tests:-0}" "$status" $((SECONDS - began))
exit "$status"
