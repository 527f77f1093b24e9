#!/usr/bin/env bash
# Plants one fault of each kind in a copy of the committed documents, and shows that contracts.sh catches it. Fails if one is not
# caught, or if something is found where nothing was planted.
source "$(dirname "$0")/../native/settings.sh"

CHECK=$REPO_DIR/deploy/check
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
COPY=$SCRATCH/copy
MISSED=0
PLANTED=0

plant() { # WHAT CHECK SAID FILE SED-EXPRESSION
    local what=$1 check=$2 said=$3 file=$COPY/$4 output status=0
    cp "$file" "$SCRATCH/kept"
    sed -i -E "$5" "$file"
    ! cmp -s "$file" "$SCRATCH/kept" || die "planting does not work: $what"
    output=$("$CHECK/contracts.sh" --only "$check" "$COPY" 2>&1) || status=$?
    cp "$SCRATCH/kept" "$file"
    ((PLANTED += 1))
    if ((status != 0)) && grep -qF -- "$said" <<<"$output"; then
        printf '%-62s caught by %s\n' "$what" "$check"
    else
        ((MISSED += 1))
        printf '%-62s MISSED by %s (exit code %s)\n%s\n' "$what" "$check" "$status" "$output"
    fi
}

API=schemas/openapi/command-api.json
EVENTS=schemas/asyncapi.yaml

"$NATIVE_DIR/install.sh" check-contracts
mkdir -p "$COPY"
tar -C "$REPO_DIR" -cf - schemas | tar -C "$COPY" -xf -
checks=(openapi)
if command -v npm >/dev/null; then checks+=(asyncapi); fi
for check in "${checks[@]}"; do
    output=$("$CHECK/contracts.sh" --only "$check" "$COPY" 2>&1) || die "$check finds something where nothing was planted: $output"
done
printf 'nothing planted: nothing found\n'

plant "an answer without a description" openapi "'description' is a required property" $API '0,/"description": "No valid token",/s/"description": "No valid token",//'
plant "a place where no parameter is" openapi "is not one of" $API 's/"in": "header"/"in": "head"/'
plant "a schema that is not there" openapi "ItemBodies" $API '0,/schemas\/ItemBody"/s/schemas\/ItemBody"/schemas\/ItemBodies"/'
plant "a parameter of the path that is not described" openapi "Path parameter 'id'" $API 's/"name": "id",/"name": "key",/'
if command -v npm >/dev/null; then
    plant "an action that is none" asyncapi "equal to one of the allowed values" $EVENTS 's/action: send$/action: shout/'
    plant "a message that is not there" asyncapi "'#/components/messages/nobody' does not exist" $EVENTS 's/messages\/dead-letter"/messages\/nobody"/'
    plant "a schema of an event that is not there" asyncapi "ENOENT" $EVENTS 's/item\.created\.v1\.json"$/nothing.json"/'
    plant "another version of the specification" asyncapi "is not supported" $EVENTS 's/^asyncapi: .*/asyncapi: "9.1.0"/'
else
    say "NOT RUN: faults of schemas/asyncapi.yaml, of which the parser wants node and npm"
fi
printf '%s faults planted, %s missed\n' "$PLANTED" "$MISSED"
((MISSED == 0))
