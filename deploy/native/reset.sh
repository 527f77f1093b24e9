#!/usr/bin/env bash
# Stops everything and deletes the data of the private instances. Installed programs stay.
source "$(dirname "$0")/settings.sh"

"$NATIVE_DIR/down.sh"
# By name: a STACK_DIR that was set to the wrong folder must not cost that folder.
for name in postgres postgres.password initdb.log kafka redis object-store second-store log run port-offset; do
    rm -rf "${STACK_DIR:?}/$name"
done
say "the data under $STACK_DIR is gone"
