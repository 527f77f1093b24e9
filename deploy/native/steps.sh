# shellcheck shell=bash
# Sourced: a long run as named steps, each with the time that it took.

STEP_TABLE=()
STEPS_BEGAN=$SECONDS

# Runs a command under a name. The step's outcome is returned, and kept for the table.
step() { # NAME COMMAND…
    local name=$1 began=$SECONDS status=0
    shift
    say "== $name"
    "$@" || status=$?
    STEP_TABLE+=("$(printf '%-44s %-8s %5d s' "$name" "$( ((status == 0)) && echo ok || echo FAILED)" $((SECONDS - began)))")
    say "   $name: $((SECONDS - began)) s"
    return "$status"
}

skip_step() { # NAME
    STEP_TABLE+=("$(printf '%-44s %-8s' "$1" "NOT RUN")")
}

print_steps() {
    printf '\n'
    printf '%s\n' "${STEP_TABLE[@]}"
    printf '%-44s %-8s %5d s\n' total '' $((SECONDS - STEPS_BEGAN))
}
