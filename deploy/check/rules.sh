#!/usr/bin/env bash
# Checks what Prometheus is told: that it can read its rules, that each alarm fires when it should and only then, and that
# rules, dashboards and documents name what is measured.
#   rules.sh [FOLDER]                of a copy of the repository
#   rules.sh --only CHECK [FOLDER]   one of the checks below, with what is installed already
source "$(dirname "$0")/../native/settings.sh"
source "$(dirname "$0")/checks.sh"

# It reads the rules that the configuration names, too.
syntax() { promtool check config --lint=all --lint-fatal deploy/prometheus/prometheus.yml; }

behaviour() { promtool test rules deploy/prometheus/tests/*.yml; }

names() {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$STACK_TOOLS_DIR/pyyaml python3 "$CHECK/settings.py" --root "$ROOT"
}

if [[ -z $ONLY ]]; then "$NATIVE_DIR/install.sh" check-rules; fi
cd "$ROOT"
if [[ -z $ONLY ]]; then promtool --version | head -n 1; fi
check "syntax" syntax
check "behaviour" behaviour
check "names" names
((${#STEP_TABLE[@]} > 0)) || die "there is no check called $ONLY"
print_steps
exit "$FAILED"
