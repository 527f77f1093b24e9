#!/usr/bin/env bash
# Plants one fault of each kind in a copy of rules, dashboards and what they name, and shows which check of rules.sh catches it.
# Fails if one is not caught, or if a check finds something where nothing was planted.
source "$(dirname "$0")/../native/settings.sh"

CHECK=$REPO_DIR/deploy/check
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
MISSED=0
PLANTED=0

copy() {
    mkdir "$SCRATCH/copy"
    tar -C "$REPO_DIR" --exclude-vcs --exclude=target --exclude=.stack --exclude=.env -cf - . | tar -C "$SCRATCH/copy" -xf -
}

run() { # CHECK
    "$CHECK/rules.sh" --only "$1" "$SCRATCH/copy" 2>&1
}

# Edits one file of the copy, has one check look at it, and puts the file back.
plant() { # WHAT CHECK SAID FILE PYTHON-EXPRESSION-OF-text
    local what=$1 check=$2 said=$3 file=$SCRATCH/copy/$4 expression=$5 output status=0
    cp "$file" "$SCRATCH/kept"
    python3 - "$file" "$expression" <<'PYTHON' || die "planting does not work: $what"
import re, sys
path, expression = sys.argv[1:]
text = open(path, encoding="utf-8").read()
planted = eval(expression, {"text": text, "re": re})
if planted == text:
    sys.exit(f"{path} is as it was")
open(path, "w", encoding="utf-8").write(planted)
PYTHON
    output=$(run "$check") || status=$?
    cp "$SCRATCH/kept" "$file"
    ((PLANTED += 1))
    if ((status != 0)) && grep -qF -- "$said" <<<"$output"; then
        printf '%-68s caught by %s: %s\n' "$what" "$check" "$(grep -m 1 -F -- "$said" <<<"$output" | cut -c 1-110)"
    else
        MISSED=1
        printf '%-68s MISSED by %s (exit code %s)\n%s\n' "$what" "$check" "$status" "$output"
    fi
}

RULES=deploy/prometheus/rules
DASHBOARDS=deploy/grafana/dashboards

"$NATIVE_DIR/install.sh" check-rules
copy
for check in syntax behaviour names; do
    output=$(run "$check") || die "$check finds something where nothing was planted: $output"
done
printf 'nothing planted: nothing found\n'

plant "a function that there is not" syntax "unknown function" $RULES/pipeline.yml 'text.replace("histogram_quantile(", "histogram_quantil(")'
plant "a sentence that cannot be filled in" syntax "template" $RULES/pipeline.yml 'text.replace("{{ $labels.group }} is late", "{{ $labels.group } is late")'
plant "two records of one name" syntax "uplicate" $RULES/pipeline.yml \
    're.sub(r"(      - record: depot:dead_letters:open\n.*\n.*\n)", r"\1\1", text)'
plant "a threshold that nothing reaches" behaviour DepotOutboxNotDraining $RULES/pipeline.yml \
    'text.replace("(depot_outbox_oldest_unpublished_seconds) > 60", "(depot_outbox_oldest_unpublished_seconds) > 6000")'
plant "an alarm at the first moment" behaviour DepotOutboxNotDraining $RULES/pipeline.yml \
    're.sub(r"(unpublished_seconds\) > 60\n        for: )2m", r"\g<1>0m", text)'
plant "an alarm on what is usual" behaviour DepotBulkheadRefuses $RULES/services.yml \
    'text.replace("(rate(depot_bulkhead_refused_total[5m]))", "(depot_bulkhead_refused_total)")'
plant "an alarm on large files" behaviour DepotConsumerLate $RULES/pipeline.yml 'text.replace("{group!~\".+[.]uploader\"}", "")'
plant "a service whose absence nobody sees" behaviour DepotServiceAbsent $RULES/services.yml \
    're.sub(r"\n *or absent\(up\{job=\"depot\",service=\"uploader\"\}\)", "", text)'
plant "a pace that nothing reaches" behaviour DepotErrorBudgetBurnsFast $RULES/objectives.yml \
    'text.replace("errors_ratio_rate1h > 14.4", "errors_ratio_rate1h > 144")'
plant "an hour that is over and goes on being told" behaviour DepotErrorBudgetBurnsFast $RULES/objectives.yml \
    'text.replace("errors_ratio_rate5m > 14.4 * 0.001", "errors_ratio_rate5m > -1")'
plant "one failure at night" behaviour DepotErrorBudgetBurnsFast $RULES/objectives.yml \
    'text.replace("and depot:requests:rate1h > 0.02", "")'
plant "probes that count as requests" behaviour DepotErrorBudgetBurnsFast $RULES/objectives.yml \
    'text.replace(",route=~\"/api/v1/.+|/depot[.]v1[.].+\"", "")'
plant "a bound as only Prometheus 2 writes it" behaviour DepotVisibleDelayBurnsFast $RULES/objectives.yml \
    'text.replace("1|1[.]0", "1")'
plant "a metric that was renamed in the sources" names "depot_outbox_parked_aggregates is no metric" crates/outbox/src/metrics.rs \
    'text.replace("depot_outbox_parked_aggregates", "depot_outbox_parked")'
plant "a panel that asks for nothing that there is" names "depot_outbox_epoch is no metric" $DASHBOARDS/pipeline.json \
    'text.replace("depot_outbox_epoch_max", "depot_outbox_epoch")'
plant "a recorded name that nobody records" names "no rule records depot:requests:errors_ratio_rate10m" $DASHBOARDS/apis.json \
    'text.replace("errors_ratio_rate5m", "errors_ratio_rate10m")'
plant "a panel of another data source" names "does not have" $DASHBOARDS/uploads.json 'text.replace("\"uid\": \"prometheus\"", "\"uid\": \"other\"")'
plant "an alarm that nobody is told what to do at" names "no heading ## DepotCacheDown" docs/runbook.md 'text.replace("## DepotCacheDown", "## The cache")'
plant "a page for no alarm" names "## DepotCacheGone is no alert" docs/runbook.md 'text + "\n## DepotCacheGone\n"'
plant "an alarm without a test" names "DepotCacheDown: no test" deploy/prometheus/tests/pipeline.yml \
    'text.replace("DepotCacheDown\",alertstate=\"firing\",severity", "DepotCacheGone\",alertstate=\"firing\",severity")'
plant "a severity that nobody is called for" names "its severity is none" $RULES/pipeline.yml 'text.replace("severity: ticket", "severity: info")'
plant "a metric that no document names" names "does not name depot_ready" docs/operations.md 'text.replace("`depot_ready`", "readiness")'

printf '%s faults planted, %s\n' "$PLANTED" "$( ((MISSED)) && echo 'NOT all of them caught' || echo 'each caught')"
exit "$MISSED"
