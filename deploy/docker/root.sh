#!/usr/bin/env bash
# The file system of the final image, without our programs, from the Debian that this runs on.
#   root.sh packages        prints the packages that it is taken from
#   root.sh build FOLDER    puts it there
set -euo pipefail

LIST=$(dirname "$0")/libraries.txt
AUTHORITIES=/etc/ssl/certs/ca-certificates.crt
ACCOUNT=10001

libraries() { grep -Ev '^(#|$)' "$LIST"; }

packages() {
    {
        libraries | awk '{ print $2 }'
        printf '%s\n' ca-certificates base-files
    } | sort -u
}

# As a file under the same path, whatever links to what here.
take() { # FILE…
    local file
    for file in "$@"; do
        install -D -m "$(stat -Lc %a "$file")" "$file" "$ROOT$file"
    done
}

take_library() { # NAME PACKAGE
    local file found=0
    while IFS= read -r file; do
        # shellcheck disable=SC2053 # the name is a pattern
        if [[ ${file##*/} == $1 ]]; then
            take "$file"
            found=1
        fi
    done < <(dpkg -L "$2")
    ((found)) || {
        printf 'error: %s has no %s\n' "$2" "$1" >&2
        exit 1
    }
}

# What scanners for known vulnerabilities read where there is no dpkg, and what the licences ask for.
record() { # PACKAGE
    mkdir -p "$ROOT/var/lib/dpkg/status.d"
    dpkg-query -s "$1" >"$ROOT/var/lib/dpkg/status.d/$1"
    take "/usr/share/doc/$1/copyright"
}

build() {
    local name package
    mkdir -p "$ROOT/usr/lib" "$ROOT/usr/lib64" "$ROOT/etc"
    ln -s usr/lib "$ROOT/lib"
    ln -s usr/lib64 "$ROOT/lib64"
    while read -r name package; do take_library "$name" "$package"; done < <(libraries)
    take "$AUTHORITIES" /etc/os-release
    for package in $(packages); do record "$package"; done
    printf '%s\n' 'root:x:0:0::/:/nonexistent' "depot:x:$ACCOUNT:$ACCOUNT::/:/nonexistent" >"$ROOT/etc/passwd"
    printf '%s\n' 'root:x:0:' "depot:x:$ACCOUNT:" >"$ROOT/etc/group"
    # Names of hosts come from /etc/hosts, then from DNS; glibc has both built in.
    printf 'hosts: files dns\n' >"$ROOT/etc/nsswitch.conf"
}

case ${1:-} in
packages) packages ;;
build)
    ROOT=${2:?into which folder}
    build
    ;;
*)
    printf 'usage: root.sh packages | build FOLDER\n' >&2
    exit 2
    ;;
esac
