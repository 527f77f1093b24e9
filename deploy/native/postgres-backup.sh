#!/usr/bin/env bash
# A base backup of the private Postgres, and setting it back to that. postgres-backup.sh take|restore
# A backup is taken while the server runs, and has the part of the log of changes that makes it whole. Setting back wants the
# server stopped; what was written since the backup is gone. Then, before the services start: depot restore raise.
source "$(dirname "$0")/settings.sh"
source "$NATIVE_DIR/process.sh"
source "$NATIVE_DIR/postgres-programs.sh"

DATA_DIR=$STACK_DIR/postgres
BACKUP_DIR=$STACK_DIR/postgres-backup

take() {
    [[ ! -e $BACKUP_DIR ]] || die "there is a backup at $BACKUP_DIR: move it away first"
    mkdir -p "$BACKUP_DIR"
    chmod 700 "$BACKUP_DIR"
    if ((EUID == 0)); then chown postgres:postgres "$BACKUP_DIR"; fi
    PGPASSWORD=$(<"$SUPERUSER_PASSWORD_FILE") "${UNPRIVILEGED[@]}" "$BIN_DIR/pg_basebackup" -D "$BACKUP_DIR" -X stream -c fast \
        -h 127.0.0.1 -p "$STACK_POSTGRES_PORT" -U postgres || die "Postgres at port $STACK_POSTGRES_PORT cannot be backed up"
}

restore() {
    [[ -f $BACKUP_DIR/PG_VERSION ]] || die "there is no backup at $BACKUP_DIR"
    ! process_pid postgres >/dev/null || die "Postgres runs: stop it first"
    rm -rf "$DATA_DIR"
    cp -a "$BACKUP_DIR" "$DATA_DIR"
}

case ${1:-} in
take) take ;;
restore) restore ;;
*) die "usage: postgres-backup.sh take|restore" ;;
esac
