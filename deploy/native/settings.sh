# shellcheck shell=bash
# Sourced by the other scripts: where things lie, which ports they have, and what the services are told.
#
# A setting comes from the environment, else from .env, else from .env.example. A second stack beside the first one
# has a STACK_PORT_OFFSET (or single STACK_*_PORT) of its own; the addresses and ports of the defaults follow.

set -euo pipefail

NATIVE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO_DIR=$(cd "$NATIVE_DIR/../.." && pwd)
STACK_DIR=${STACK_DIR:-$REPO_DIR/.stack}
# Programs do not depend on the instance, so that a second stack installs nothing again.
STACK_TOOLS_DIR=${STACK_TOOLS_DIR:-$REPO_DIR/.stack/tools}

# What the parts are called: in files of pids and logs, in `make logs`, in messages.
# shellcheck disable=SC2034 # those that source this use them
BACKING_SERVICES=(postgres redis kafka object-store)
# shellcheck disable=SC2034
SERVICES=(command-api query-api projector uploader)

# A stack stays where it was first started; backing.sh writes that file.
if [[ -z ${STACK_PORT_OFFSET:-} && -f $STACK_DIR/port-offset ]]; then STACK_PORT_OFFSET=$(<"$STACK_DIR/port-offset"); fi
STACK_PORT_OFFSET=${STACK_PORT_OFFSET:-0}
STACK_POSTGRES_PORT=${STACK_POSTGRES_PORT:-$((15432 + STACK_PORT_OFFSET))}
STACK_REDIS_PORT=${STACK_REDIS_PORT:-$((16379 + STACK_PORT_OFFSET))}
STACK_KAFKA_PORT=${STACK_KAFKA_PORT:-$((19092 + STACK_PORT_OFFSET))}
STACK_KAFKA_CONTROLLER_PORT=${STACK_KAFKA_CONTROLLER_PORT:-$((STACK_KAFKA_PORT + 1))}
STACK_S3_PORT=${STACK_S3_PORT:-$((18333 + STACK_PORT_OFFSET))}

export STACK_DIR STACK_TOOLS_DIR STACK_PORT_OFFSET STACK_POSTGRES_PORT STACK_REDIS_PORT STACK_KAFKA_PORT \
    STACK_KAFKA_CONTROLLER_PORT STACK_S3_PORT
export PATH="$STACK_TOOLS_DIR/bin:$PATH"

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# Prints NAME=VALUE lines of a settings file, without comments and without quotes around a value.
settings_of() {
    [[ -f $1 ]] || return 0
    sed -nE "s/\r$//; s/^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/\2=\3/p" "$1" |
        sed -E "s/^([^=]+)=\"(.*)\"$/\1=\2/; s/^([^=]+)='(.*)'$/\1=\2/"
}

# The ports of the defaults, moved to where this stack has them.
with_stack_ports() {
    awk -v offset="$STACK_PORT_OFFSET" -v postgres="$STACK_POSTGRES_PORT" -v redis="$STACK_REDIS_PORT" \
        -v kafka="$STACK_KAFKA_PORT" -v s3="$STACK_S3_PORT" '
        BEGIN {
            moved[15432] = postgres; moved[16379] = redis; moved[19092] = kafka; moved[18333] = s3
            split("8080 8081 50051 50052 9180 9181 9182 9183", ports, " ")
            for (i in ports) moved[ports[i]] = ports[i] + offset
        }
        {
            line = ""
            while (match($0, /[:=][0-9]+/)) {
                port = substr($0, RSTART + 1, RLENGTH - 1)
                line = line substr($0, 1, RSTART) (port in moved ? moved[port] : port)
                $0 = substr($0, RSTART + RLENGTH)
            }
            print line $0
        }'
}

set_default() { # NAME VALUE
    [[ -v $1 ]] || export "$1=$2"
}

# A database that was given by one URL, its owner's: the services enter it by roles of their own, with the passwords
# that the defaults name (migrating sets them).
follow_given_database() {
    local given=${DATABASE_URL:-${MIGRATE_DATABASE_URL:-}} name value
    [[ -n $given ]] || return 0
    set_default MIGRATE_DATABASE_URL "$given"
    while IFS='=' read -r name value; do
        [[ $name == *_DATABASE_URL ]] && set_default "$name" "${value%@*}@${given##*@}"
    done < <(settings_of "$REPO_DIR/.env" && settings_of "$REPO_DIR/.env.example")
    return 0
}

# An object store that was given: clients reach it as the services do, and one key serves all, unless told otherwise.
follow_given_object_store() {
    local service
    [[ -z ${MINIO_ENDPOINT:-} ]] || set_default MINIO_PUBLIC_ENDPOINT "$MINIO_ENDPOINT"
    [[ -n ${MINIO_ACCESS_KEY:-} ]] || return 0
    for service in COMMAND_API QUERY_API UPLOADER DEPOT STACK; do
        set_default "${service}_MINIO_ACCESS_KEY" "$MINIO_ACCESS_KEY"
        set_default "${service}_MINIO_SECRET_KEY" "${MINIO_SECRET_KEY:-}"
    done
}

load_settings() {
    local file line
    follow_given_database
    follow_given_object_store
    for file in "$REPO_DIR/.env" "$REPO_DIR/.env.example"; do
        while IFS= read -r line; do
            set_default "${line%%=*}" "${line#*=}"
        done < <(settings_of "$file" | with_stack_ports)
    done
}

# Whether a backing service is a private instance of this stack. One that was given is used, and never started,
# stopped or configured here.
is_private() { # postgres|redis|kafka|object-store
    case $1 in
    postgres) [[ $MIGRATE_DATABASE_URL == *"@127.0.0.1:$STACK_POSTGRES_PORT/"* ]] ;;
    redis) [[ $REDIS_ADDR == "127.0.0.1:$STACK_REDIS_PORT" ]] ;;
    kafka) [[ $KAFKA_BROKERS == "127.0.0.1:$STACK_KAFKA_PORT" ]] ;;
    object-store) [[ $MINIO_ENDPOINT == "http://127.0.0.1:$STACK_S3_PORT" ]] ;;
    *) die "no backing service is called $1" ;;
    esac
}

load_settings
