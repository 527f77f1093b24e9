# shellcheck shell=bash
# Sourced: background processes that are known by a file with their pid, and end only by it.
#
# A pid is used again once its process is gone, so a second file has what tells a process from a later one of the same
# number: its start time, in ticks since a boot, and that boot.

RUN_DIR=$STACK_DIR/run
LOG_DIR=$STACK_DIR/log

identity_of() { # PID
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The name in parentheses may hold anything; the fields are counted from behind it.
    read -ra stat <<<"${stat##*) }"
    [[ ${stat[0]} != Z ]] || return 1
    printf '%s %s %s\n' "$1" "${stat[19]}" "$(</proc/sys/kernel/random/boot_id)"
}

# Prints the pid of a process that was started here and still runs.
process_pid() { # NAME
    local pid recorded
    { read -r pid <"$RUN_DIR/$1.pid" && read -r recorded <"$RUN_DIR/$1.identity"; } 2>/dev/null || return 1
    [[ -n $recorded && $(identity_of "$pid") == "$recorded" ]] || return 1
    printf '%s\n' "$pid"
}

process_start() { # NAME COMMAND…
    local name=$1 pid
    shift
    mkdir -p "$RUN_DIR" "$LOG_DIR"
    # A session of its own: an interrupt at the terminal that started it does not reach it. Locks
    # (8 and 9) stay here.
    setsid "$@" >>"$LOG_DIR/$name.log" 2>&1 </dev/null 8>&- 9>&- &
    pid=$!
    printf '%s\n' "$pid" >"$RUN_DIR/$name.pid"
    identity_of "$pid" >"$RUN_DIR/$name.identity" || die "$name ended at once: see $LOG_DIR/$name.log"
}

# Asks a process to end, and waits for it. One that does not end in time is killed, and that is said.
process_stop() { # NAME [SIGNAL [SECONDS]]
    local name=$1 signal=${2:-TERM} seconds=${3:-30} pid
    if pid=$(process_pid "$name"); then
        kill -s "$signal" "$pid"
        # A process that somebody has paused can only end once it goes on.
        kill -s CONT "$pid" 2>/dev/null || true
        if ! wait_for "$seconds" process_is_gone "$name"; then
            say "$name did not end within $seconds s of SIG$signal: killing it"
            kill -s KILL "$pid"
            wait_for 10 process_is_gone "$name" || die "$name (pid $pid) cannot be killed"
        fi
    fi
    rm -f "$RUN_DIR/$name.pid" "$RUN_DIR/$name.identity"
}

process_is_gone() { ! process_pid "$1" >/dev/null; }

# Asks again and again until a command succeeds.
wait_for() { # SECONDS COMMAND…
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# As wait_for, but gives up as soon as the process is gone, and then shows its last words.
wait_ready() { # NAME SECONDS COMMAND…
    local name=$1 deadline=$((SECONDS + $2)) why=
    shift 2
    until "$@" >/dev/null 2>&1; do
        process_is_gone "$name" && why="ended"
        ((SECONDS < deadline)) || why="is not ready"
        if [[ -n $why ]]; then
            tail -n 15 "$LOG_DIR/$name.log" >&2 || true
            die "$name $why: see $LOG_DIR/$name.log"
        fi
        sleep 0.1
    done
}

port_is_open() { # PORT
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

port_is_free() { # PORT
    ! port_is_open "$1"
}

require_free_port() { # PORT NAME VARIABLE
    # A process whose first thread has ended is gone for whoever asks by its number; on a busy machine its other threads keep
    # the port for a moment longer.
    wait_for 10 port_is_free "$1" || die "port $1, for $2, is taken by a process that is not of this stack: set $3"
}
