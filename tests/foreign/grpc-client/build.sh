#!/usr/bin/env bash
# Makes the gRPC client from proto/ and builds the round trip on it: build.sh FOLDER leaves FOLDER/round-trip.
source "$(dirname "$0")/../../../deploy/native/settings.sh"

out=${1:?build.sh FOLDER}
for program in go protoc protoc-gen-go protoc-gen-go-grpc; do
    command -v "$program" >/dev/null || die "$program is not installed: run \`deploy/native/install.sh clients\`"
done
rm -rf "$out"
mkdir -p "$out"
cp "$REPO_DIR"/tests/foreign/grpc-client/{*.go,go.mod,go.sum} "$out"

# The proto files name no package of Go, and need not: each one's is given here.
module=depot/tests/foreign/grpc-client
cd "$REPO_DIR/proto"
files=(depot/v1/*.proto)
options=(--go_out="$out" --go_opt=module="$module" --go-grpc_out="$out" --go-grpc_opt=module="$module")
for file in "${files[@]}"; do
    options+=(--go_opt=M"$file=$module/depotv1" --go-grpc_opt=M"$file=$module/depotv1")
done
protoc -I . "${options[@]}" "${files[@]}"

cd "$out"
go vet -mod=readonly ./...
# What git says of the folder is no part of it, and asking fails where another user owns the checkout.
go build -mod=readonly -buildvcs=false -o round-trip .
