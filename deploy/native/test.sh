#!/usr/bin/env bash
# Everything that is checked, from a bare checkout to one summary. `test.sh all` adds what is long; `test.sh integration` has
# the tests alone that want backing services, with the store OBJECT_STORE=seaweedfs|versitygw; `test.sh scripts` looks at what is
# not Rust.
# Stops the backing services at the end if it started them.
STACK_PORT_OFFSET=${STACK_PORT_OFFSET:-$("$(dirname "$0")/port-offset.sh")}
export STACK_PORT_OFFSET
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"
source "$NATIVE_DIR/steps.sh"

TEST_LOG=$STACK_DIR/log/test.log
FAILED=0

check() { # NAME COMMAND…
    step "$@" || FAILED=1
}

# What a toolchain may lack: such a check says so itself, and counts as not run.
check_where_possible() { # NAME COMMAND…
    local status=0 name=$1 began=$SECONDS
    shift
    say "== $name"
    "$@" || status=$?
    case $status in
    0) STEP_TABLE+=("$(printf '%-44s %-8s %5d s' "$name" ok $((SECONDS - began)))") ;;
    69) skip_step "$name" ;;
    *)
        STEP_TABLE+=("$(printf '%-44s %-8s %5d s' "$name" FAILED $((SECONDS - began)))")
        FAILED=1
        ;;
    esac
}

check_scripts() {
    # Under its folder, so that what a script sources is followed.
    (cd "$NATIVE_DIR" && shellcheck -x -S warning --source-path=SCRIPTDIR ./*.sh ../*.sh ../check/*.sh ../k8s/*.sh \
        ../docker/*.sh ../docker/minio/*.sh ../grafana/*.sh ../../.ci/run ../../loadtest/*.sh ../../loadtest/peers/*.sh \
        ../../loadtest/peers/*/*.sh ../../tests/foreign/*/*.sh ../../tests/console/*.sh)
}

# Compose files, .env.example and the chart's schema; `make check-deploy` has what is rendered, too.
check_settings() {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$STACK_TOOLS_DIR/pyyaml python3 "$REPO_DIR/deploy/check/settings.py"
}

# That they can be read, and do what they should; what they name is looked at with the settings.
check_rules() {
    "$REPO_DIR/deploy/check/rules.sh" --only syntax && "$REPO_DIR/deploy/check/rules.sh" --only behaviour
}

# The benchmark's peers and a client are written in Go, and are built only where they are run.
check_go() {
    local unformatted
    unformatted=$(gofmt -l "$REPO_DIR/loadtest/peers" "$REPO_DIR/tests/foreign") || return 1
    [[ -z $unformatted ]] || {
        say "not as gofmt has it: $unformatted"
        return 1
    }
}

# One compilation gives programs and lints: a `cargo clippy` of its own would compile everything that they stand on a second
# time. What is compiled so is for tests: clippy-driver is rustc, but not one to release with. The arguments are as
# `cargo clippy -- -D warnings` hands them on.
lint_what_is_built() {
    export CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
}

# Most tests wait for services most of the time: one more at once than a machine of two cores would take by itself.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) + 1))}

run_tests() { # ARGUMENT…
    cargo test --locked --no-fail-fast "$@" 2>&1 | tee -a "$TEST_LOG"
}

# Of the tests that take minutes those that files pass through.
LONG_WITH_FILES=(disasters:: examples::privacy memory:: runbook::dependencies store_notifications::)

# Against another store than the first, with the same programs.
run_tests_on_second_store() {
    "$NATIVE_DIR/second-store.sh" start || return 1
    local endpoint status=0
    endpoint=$("$NATIVE_DIR/second-store.sh" endpoint)
    (
        export MINIO_ENDPOINT=$endpoint MINIO_PUBLIC_ENDPOINT=$endpoint TEST_STORE_LACKS="lifecycle rules"
        long=${DEPOT_LONG:-}
        unset DEPOT_LONG
        run_tests -p depot-object-store -p depot-end-to-end
        status=$?
        [[ -z $long ]] || DEPOT_LONG=$long run_tests -p depot-object-store -p depot-end-to-end --test it -- "${LONG_WITH_FILES[@]}" ||
            status=1
        exit "$status"
    ) || status=$?
    "$NATIVE_DIR/second-store.sh" stop
    return "$status"
}

# Adds up what cargo printed for each test program. A test that was ignored was not run, and so counts against it.
print_summary() {
    local counts
    counts=$(awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
        END { printf "%d %d %d", passed, failed, ignored }' "$TEST_LOG")
    read -r passed failed ignored <<<"$counts"
    print_steps
    if ((failed > 0)); then
        printf '\nfailed:\n'
        grep -E '^test .* \.\.\. FAILED$' "$TEST_LOG" | sed 's/^test /  /; s/ \.\.\. FAILED$//' | sort -u
    fi
    if ((failed > 0 || ignored > 0 || passed == 0)); then FAILED=1; fi
    printf '\n%s\n' "$( ((FAILED == 0)) && echo 'every step passed' || echo 'a step FAILED')"
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$ignored"
}

main() {
    local was_running
    was_running=$(running_backing_service)
    mkdir -p "${TEST_LOG%/*}"
    : >"$TEST_LOG"
    local parts=(stack test)
    # Long tests start a store of that kind, too.
    if [[ ${1:-} == all ]]; then parts+=(second-store schemathesis clients console); fi
    check "install what is missing" "$NATIVE_DIR/install.sh" "${parts[@]}"
    check "formatting" cargo fmt --all --check
    check "scripts" check_scripts
    check "formatting of Go" check_go
    check "dependencies" "$NATIVE_DIR/deny.sh"
    check "settings of the deployments" check_settings
    check "rules of Prometheus" check_rules
    lint_what_is_built
    if check_then "start the backing services" "$NATIVE_DIR/backing.sh" start &&
        check_then "build and lints" cargo build --locked --workspace --all-targets; then
        check "libraries of the image" "$REPO_DIR/deploy/check/image-libraries.sh" "${CARGO_TARGET_DIR:-target}/debug"
        check "tests" run_tests --workspace
        if [[ ${1:-} == all ]]; then
            check "tests on a second object store" run_tests_on_second_store
            # Beside the stack of the tests, with the programs that were built.
            check "console in a browser" env BUILD=no STACK_PORT_OFFSET=$((STACK_PORT_OFFSET + 3800)) \
                STACK_DIR="$STACK_DIR/console" "$REPO_DIR/tests/console/run.sh"
            check_where_possible "thread sanitizer" "$NATIVE_DIR/tsan.sh"
            check_where_possible "line coverage" "$NATIVE_DIR/coverage.sh"
            check_where_possible "fuzzing" env FUZZ_SECONDS=10 FUZZ_KEEP=no "$NATIVE_DIR/fuzz.sh"
        fi
    else
        skip_step "tests"
    fi
    [[ -n $was_running ]] || check "stop the backing services" "$NATIVE_DIR/backing.sh" stop
    print_summary
}

# On the second store run those that `all` runs there: the others are about the first one's rights, or about none.
integration() { # seaweedfs|versitygw
    local was_running parts=(stack test)
    was_running=$(running_backing_service)
    mkdir -p "${TEST_LOG%/*}"
    : >"$TEST_LOG"
    if [[ $1 == versitygw ]]; then parts+=(second-store); fi
    check "install what is missing" "$NATIVE_DIR/install.sh" "${parts[@]}"
    if check_then "start the backing services" "$NATIVE_DIR/backing.sh" start &&
        check_then "build" cargo build --locked --workspace --all-targets; then
        case $1 in
        seaweedfs) check "tests" run_tests --workspace --test '*' ;;
        versitygw) check "tests on a second object store" run_tests_on_second_store ;;
        esac
    else
        skip_step "tests"
    fi
    [[ -n $was_running ]] || check "stop the backing services" "$NATIVE_DIR/backing.sh" stop
    print_summary
}

# As check, for what the rest stands on.
check_then() { # NAME COMMAND…
    step "$@" || {
        FAILED=1
        return 1
    }
}

# Prints one that was running before.
running_backing_service() {
    local name
    for name in "${BACKING_SERVICES[@]}"; do
        if process_pid "$name" >/dev/null; then printf '%s\n' "$name" && return; fi
    done
}

cd "$REPO_DIR"
case ${1:-} in
'') main ;;
# Tests that take minutes each ask for this.
all) DEPOT_LONG=1 main all ;;
integration)
    case ${OBJECT_STORE:=seaweedfs} in
    seaweedfs | versitygw) integration "$OBJECT_STORE" ;;
    *) die "there is no object store called $OBJECT_STORE: seaweedfs or versitygw" ;;
    esac
    ;;
scripts)
    check "scripts" check_scripts
    check "formatting of Go" check_go
    print_steps
    ;;
*) die "usage: test.sh [all|integration|scripts]" ;;
esac
exit "$FAILED"
