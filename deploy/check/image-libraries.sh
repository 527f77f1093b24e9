#!/usr/bin/env bash
# Compares the shared libraries that programs name with deploy/docker/libraries.txt, which is all that the image has: a
# name that is missing there, and one that nobody needs.
#   image-libraries.sh FOLDER    with the programs in it, such as target/release
set -euo pipefail

FOLDER=${1:?in which folder are the programs}
LIST=$(dirname "$0")/../docker/libraries.txt
PROGRAMS=(command-api query-api projector uploader depot)
FAULTS=0

fault() {
    printf '%s\n' "$*"
    FAULTS=1
}

needed() { # PROGRAM
    readelf -d "$FOLDER/$1" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]$/\1/p'
}

mapfile -t listed < <(grep -Ev '^(#|$)' "$LIST" | awk '{ print $1 }')
declare -A used=()
for program in "${PROGRAMS[@]}"; do
    [[ -f $FOLDER/$program ]] || {
        fault "$FOLDER has no $program"
        continue
    }
    for library in $(needed "$program"); do
        for name in "${listed[@]}"; do
            # shellcheck disable=SC2053 # a listed name is a pattern
            if [[ $library == $name ]]; then
                used[$name]=1
                continue 2
            fi
        done
        fault "$program needs $library, which is not in libraries.txt"
    done
done
for name in "${listed[@]}"; do
    [[ -n ${used[$name]:-} ]] || fault "$name is in libraries.txt, and no program needs it"
done
((FAULTS)) || printf '%s programs need %s libraries, all of them listed\n' "${#PROGRAMS[@]}" "${#used[@]}"
exit "$FAULTS"
