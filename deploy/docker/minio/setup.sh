#!/usr/bin/env bash
# Makes in MinIO what `depot buckets` and identities.json make in SeaweedFS: the buckets, and an identity for each service
# with a policy of its name. May run again. The server is the client's host `store`, from MC_HOST_store.
set -euo pipefail

policy() { printf '/policies/%s.json\n' "$1"; }

is_attached() { # SERVICE
    local held
    held=$(mc --json admin policy entities store --user "depot-$1" | tr -d '[:space:]')
    [[ $held == *"\"policies\":[\"$1\"]"* ]]
}

identity() { # SERVICE SECRET
    mc admin user add store "depot-$1" "$2"
    mc admin policy create store "$1" "$(policy "$1")"
    # What is attached already is refused a second time.
    is_attached "$1" || mc admin policy attach store "$1" --user "depot-$1"
}

mc mb --ignore-existing store/staging store/files
identity command-api "$COMMAND_API_MINIO_SECRET_KEY"
identity query-api "$QUERY_API_MINIO_SECRET_KEY"
identity uploader "$UPLOADER_MINIO_SECRET_KEY"
