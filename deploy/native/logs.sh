#!/usr/bin/env bash
# Shows the logs of what is named, or of the four services: follows them at a terminal, else prints their ends.
source "$(dirname "$0")/settings.sh"

names=("$@")
((${#names[@]} > 0)) || names=("${SERVICES[@]}")
files=()
for name in "${names[@]}"; do
    [[ -f $STACK_DIR/log/$name.log ]] || die "there is no log of $name in $STACK_DIR/log"
    files+=("$STACK_DIR/log/$name.log")
done
follow=()
[[ ! -t 1 ]] || follow=(-F)
exec tail -n 50 "${follow[@]}" "${files[@]}"
