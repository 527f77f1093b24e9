#!/usr/bin/env bash
# A release, by its tag: TAG=v1.2.3 release.sh version|keep|check|programs|draft
#   version    prints the workspace's
#   keep       keeps what is published as that of this version (schemas/released), for later ones to be compared with
#   check      the tag is the workspace's version, its contracts are kept, and the changelog, where there is one, has a
#              section for it
#   programs   builds the programs, and puts them with their checksums into target/dist
#   draft      makes a draft of a release of them, by GitHub's own tool
set -euo pipefail
cd "$(dirname "$0")/.."

DIST=target/dist
VERSION=$(awk '/^\[/ { inside = $0 == "[workspace.package]" } inside && /^version = / { gsub(/"/, "", $3); print $3 }' Cargo.toml)

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

keep() {
    local folder=schemas/released/$VERSION
    rm -rf "$folder"
    mkdir -p "$folder/proto"
    cp -r schemas/openapi schemas/events "$folder"
    cp -r proto/depot "$folder/proto"
    printf '%s\n' "$folder"
}

check() {
    [[ ${TAG:?which tag} == "v$VERSION" ]] || die "the tag is $TAG, and the workspace has version $VERSION"
    [[ -d schemas/released/$VERSION ]] || die "schemas/released has nothing of $VERSION: deploy/release.sh keep"
    [[ ! -f CHANGELOG.md ]] || grep -qE "^## \[?v?${VERSION//./\\.}\]?( |$)" CHANGELOG.md ||
        die "CHANGELOG.md has no section for $VERSION"
    printf '%s is the version of the workspace\n' "$TAG"
}

# One archive, and its checksum beside it. As the image builds the programs; times and owners are set, so that the same
# programs give the same archive.
programs() {
    local folder
    folder=depot-$VERSION-$(rustc -vV | sed -n 's/^host: //p')
    cargo build --release --locked --workspace --exclude depot-bench --bins
    deploy/check/image-libraries.sh target/release
    rm -rf "$DIST"
    install -D -t "$DIST/$folder" target/release/{command-api,query-api,projector,uploader,depot}
    strip --strip-debug "$DIST/$folder"/*
    install -m 644 -t "$DIST/$folder" LICENSE
    tar -C "$DIST" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c "$folder" | gzip -n >"$DIST/$folder.tar.gz"
    rm -rf "${DIST:?}/$folder"
    (cd "$DIST" && sha256sum -- *.tar.gz >SHA256SUMS && cat SHA256SUMS)
}

draft() {
    check
    (cd "$DIST" && sha256sum --check SHA256SUMS)
    gh release create "$TAG" --verify-tag --draft --title "$TAG" --generate-notes "$DIST"/*.tar.gz "$DIST/SHA256SUMS"
}

[[ -n $VERSION ]] || die "Cargo.toml has no version of the workspace"
case ${1:-} in
version) printf '%s\n' "$VERSION" ;;
keep) keep ;;
check) check ;;
programs) programs ;;
draft) draft ;;
*) die "usage: TAG=v1.2.3 release.sh version|keep|check|programs|draft" ;;
esac
