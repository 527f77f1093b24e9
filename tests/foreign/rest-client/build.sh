#!/usr/bin/env bash
# Makes REST clients from the committed OpenAPI documents, and checks them and the round trip by their types:
# build.sh FOLDER leaves FOLDER/depot_command_api and FOLDER/depot_query_api.
source "$(dirname "$0")/../../../deploy/native/settings.sh"

out=${1:?build.sh FOLDER}
export PYTHONPATH=$STACK_TOOLS_DIR/rest-client PYTHONDONTWRITEBYTECODE=1
[[ -d $PYTHONPATH ]] || die "openapi-python-client is not installed: run \`deploy/native/install.sh clients\`"
declare -A STREAMS=([command]="POST /api/v1/items:import" [query]="GET /api/v1/items:export")
rm -rf "$out"
mkdir -p "$out"
cp "$REPO_DIR/tests/foreign/rest-client/round_trip.py" "$out"
for api in command query; do
    # Nothing is run over what was generated: it is taken as it comes.
    printf 'post_hooks: []\nproject_name_override: depot-%s-api\npackage_name_override: depot_%s_api\n' "$api" "$api" >"$out/$api.yaml"
    # Part of a document that the generator cannot take is left out by it, with a warning. Streams of lines are, which no client
    # of one request and one answer has; everything else is a failure.
    python3 -m openapi_python_client generate --meta none --config "$out/$api.yaml" \
        --path "$REPO_DIR/schemas/openapi/$api-api.json" --output-path "$out/depot_${api}_api" 2>&1 | tee "$out/$api.log" >&2
    left_out=$(sed -n 's/^WARNING parsing \([A-Z]* [^ ]*\) within .*/\1/p' "$out/$api.log")
    [[ $left_out == "${STREAMS[$api]}" && $(grep -c '^WARNING' "$out/$api.log") == 1 ]] ||
        die "the generator leaves out other operations than ${STREAMS[$api]}: see above"
done
cd "$out"
python3 -m compileall -q depot_command_api depot_query_api round_trip.py
python3 -m mypy --cache-dir "$out/.mypy" -p depot_command_api -p depot_query_api
# What people write on the generated code is checked more strictly than that code is.
python3 -m mypy --cache-dir "$out/.mypy" --strict --follow-imports silent round_trip.py
