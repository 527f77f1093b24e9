# shellcheck shell=bash
# Sourced by what runs a Postgres: BIN_DIR, where its programs are; UNPRIVILEGED, by whom they are run; as_superuser, psql in
# the private server.

BIN_DIR=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
# The superuser is for these scripts alone; everybody else is the owner, or a service's role.
SUPERUSER_PASSWORD_FILE=$STACK_DIR/postgres.password

# Postgres refuses to run as root, and is then run as the user that its package made. Where that user cannot reach
# our folder, as in a home closed to others, it keeps one right of root's: to read past closed folders, or, where
# a container withholds that one, to write past them too.
UNPRIVILEGED=()
if ((EUID == 0)); then
    UNPRIVILEGED=(setpriv --reuid=postgres --regid=postgres --init-groups)
    mkdir -p "$STACK_DIR"
    for capability in none dac_read_search dac_override; do
        attempt=("${UNPRIVILEGED[@]}")
        [[ $capability == none ]] || attempt+=("--inh-caps=+$capability" "--ambient-caps=+$capability")
        if "${attempt[@]}" test -d "$STACK_DIR/." 2>/dev/null; then
            UNPRIVILEGED=("${attempt[@]}")
            break
        fi
    done
fi

as_superuser() {
    PGPASSWORD=$(<"$SUPERUSER_PASSWORD_FILE") "$BIN_DIR/psql" -X -q -v ON_ERROR_STOP=1 \
        -h 127.0.0.1 -p "$STACK_POSTGRES_PORT" -U postgres "$@"
}
