#!/usr/bin/env bash
# Puts the file system of the image together as its build does, and starts each program in it, as the user that it has
# there. Needs root and the Debian that the image is made from.
#   image-root.sh FOLDER    with the programs in it
set -euo pipefail

FOLDER=${1:?in which folder are the programs}
DOCKER=$(cd "$(dirname "$0")/../docker" && pwd)
PROGRAMS=(depot command-api query-api projector uploader)
# As the loader says it.
CANNOT_BE_LOADED=127

base=$(sed -nE 's/^FROM debian:([a-z]+)-.* AS root$/\1/p' "$DOCKER/Dockerfile")
# shellcheck source=/dev/null
[[ $(. /etc/os-release && printf '%s' "$VERSION_CODENAME") == "$base" ]] || {
    printf 'the image is made from %s, and this is another Debian\n' "$base" >&2
    exit 69
}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
"$DOCKER/root.sh" build "$root"
printf 'without the programs: %s bytes\n' "$(du -sb "$root" | cut -f 1)"
install -D -t "$root/usr/local/bin" "${PROGRAMS[@]/#/$FOLDER/}"
chmod 755 "$root"

for program in "${PROGRAMS[@]}"; do
    status=0
    # A service without settings says which it lacks, and ends: it was loaded.
    said=$(env -i PATH=/usr/sbin:/usr/bin APP_ENV=production \
        chroot --userspec=10001:10001 "$root" "/usr/local/bin/$program" 2>&1 </dev/null) || status=$?
    if ((status >= CANNOT_BE_LOADED)); then
        printf '%s ends with %s: %s\n' "$program" "$status" "$said"
        exit 1
    fi
    printf '%-12s starts (%s)\n' "$program" "$(head -n 1 <<<"$said")"
done
