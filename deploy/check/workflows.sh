#!/usr/bin/env bash
# Validates what the hosted CI runs, with the tools that install.sh pins; runs nothing of it.
#   workflows.sh [FOLDER]                of a copy of the repository
#   workflows.sh --only CHECK [FOLDER]   one of the checks below, with what is installed already
source "$(dirname "$0")/../native/settings.sh"
source "$(dirname "$0")/checks.sh"

versions() {
    printf 'actionlint %s\n' "$(actionlint --version | head -n 1)"
    zizmor --version
    check-jsonschema --version
    shellcheck --version | sed -n 's/^version: /shellcheck /p'
    python3 --version
}

# Looks at the commands, too, by shellcheck. Files by name: elsewhere than in a git repository it would find none.
lint() { actionlint -no-color -config-file .github/actionlint.yaml .github/workflows/*.yml; }

# What an attacker would look for. What it could ask the network is left: the checks are the same for everybody.
security() { zizmor --offline --no-progress --quiet --color=never --config .github/zizmor.yml .github; }

schemas() {
    check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml &&
        check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
}

# Reads YAML with what check-jsonschema brings.
rules() {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$STACK_TOOLS_DIR/check-jsonschema python3 "$CHECK/workflows.py" .
}

if [[ -z $ONLY ]]; then "$NATIVE_DIR/install.sh" check-workflows; fi
cd "$ROOT"
if [[ -z $ONLY ]]; then versions; fi
check "actionlint" lint
check "zizmor" security
check "schemas" schemas
check "rules" rules
((${#STEP_TABLE[@]} > 0)) || die "there is no check called $ONLY"
print_steps
exit "$FAILED"
