#!/usr/bin/env bash
# Plants one fault of each kind in a copy of the workflows and what they name, and shows which check of workflows.sh catches
# it. Fails if one is not caught, or if a check finds something where nothing was planted.
source "$(dirname "$0")/../native/settings.sh"

CHECK=$REPO_DIR/deploy/check
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
COPY=$SCRATCH/copy
MISSED=0
PLANTED=0

copy() {
    mkdir -p "$COPY"
    tar -C "$REPO_DIR" -cf - .github Makefile deploy/native deploy/docker/docker-compose.backing.yml | tar -C "$COPY" -xf -
    # By tags alone, so that a fault is planted in the same way after `make pin`.
    sed -i -E 's/@sha256:[0-9a-f]{64}//; s/@[0-9a-f]{40} # (v[0-9.]+)$/@\1/' "$COPY"/.github/workflows/*.yml \
        "$COPY/deploy/docker/docker-compose.backing.yml"
}

# Edits one file of the copy, has one check look at it, and puts the file back.
plant() { # WHAT CHECK SAID FILE SED-EXPRESSION
    local what=$1 check=$2 said=$3 file=$COPY/$4 output status=0
    cp "$file" "$SCRATCH/kept"
    sed -i -E "$5" "$file"
    ! cmp -s "$file" "$SCRATCH/kept" || die "planting does not work: $what"
    output=$("$CHECK/workflows.sh" --only "$check" "$COPY" 2>&1) || status=$?
    cp "$SCRATCH/kept" "$file"
    ((PLANTED += 1))
    if ((status != 0)) && grep -qF -- "$said" <<<"$output"; then
        printf '%-62s caught by %-10s %s\n' "$what" "$check" \
            "$(grep -m 1 -F -- "$said" <<<"$output" | sed -E 's/^ +//' | cut -c 1-110)"
    else
        ((MISSED += 1))
        printf '%-62s MISSED by %s (exit code %s)\n%s\n' "$what" "$check" "$status" "$output"
    fi
}

CI=.github/workflows/ci.yml
DEPENDABOT=.github/dependabot.yml
JOB_LINT='/^  lint:/,/^  unit-test:/'
JOB_PUBLISH='/^  publish:/,$'

"$NATIVE_DIR/install.sh" check-workflows
copy
for check in actionlint zizmor schemas rules; do
    output=$("$CHECK/workflows.sh" --only "$check" "$COPY" 2>&1) || die "$check finds something where nothing was planted: $output"
done
printf 'nothing planted: nothing found\n'

plant "a job that waits for one that is not there" actionlint "needs job" $CI 's/needs: \[lint, /needs: [lints, /'
plant "a property that the matrix has not" actionlint "property \"postgress\" is not defined" $CI 's/matrix\.postgres\.image/matrix.postgress.image/'
plant "an output of a step that is not there" actionlint "property \"pushed\" is not defined" $CI 's/steps\.push\.outputs\.name/steps.pushed.outputs.name/'
plant "an action without a version" actionlint "specifying action" $CI "$JOB_LINT s|actions/checkout@v6.0.2|actions/checkout|"
plant "a machine that nobody offers" actionlint "label \"ubuntu-24.4\" is unknown" $CI "$JOB_LINT s/ubuntu-24\.04/ubuntu-24.4/"
plant "a command that the shell takes otherwise" actionlint "SC2086" $CI 's/docker login ghcr\.io --username "\$GITHUB_ACTOR"/docker login ghcr.io --username $GITHUB_ACTOR/'
plant "a misspelt key" actionlint "unexpected key \"step\"" $CI "$JOB_LINT s/^    steps:/    step:/"
plant "another unknown key of a service than command" actionlint "unexpected key \"commands\"" $CI 's/^        command: postgres/        commands: postgres/'

plant "text of whoever opens a pull request, in a command" zizmor "template-injection" $CI "$JOB_LINT s/run: make lint$/run: make lint \"\${{ github.event.pull_request.title }}\"/"
plant "code of strangers with our secrets" zizmor "dangerous-triggers" $CI 's/^  pull_request:/  pull_request_target:/'
plant "an action that nobody maintains" zizmor "archived-uses" $CI "$JOB_LINT s|actions/checkout@v6.0.2|actions-rs/cargo@v1.0.3|"
plant "a container without a version" zizmor "unpinned-images" $CI "$JOB_LINT s/image: rust:.*/image: rust/"
plant "a proposal of what was released today" zizmor "dependabot-cooldown" $DEPENDABOT '0,/    cooldown: .*/s///'

plant "a time-out that is text" schemas "timeout-minutes" $CI "$JOB_LINT s/timeout-minutes: 45/timeout-minutes: soon/"
plant "an ecosystem that there is not" schemas "crates" $DEPENDABOT 's/package-ecosystem: cargo/package-ecosystem: crates/'
plant "an interval that there is not" schemas "fortnightly" $DEPENDABOT '0,/weekly/s//fortnightly/'

plant "a make target that is not there" rules "no target lints" $CI "$JOB_LINT s/run: make lint$/run: make lints/"
plant "a make target that was renamed" rules "no target unit-test" Makefile 's/^unit-test:/unit-tests:/'
plant "a job that does something else than people do" rules "lint: does not call make lint" $CI "$JOB_LINT s/run: make lint$/run: cargo clippy/"
plant "a script that is not there" rules "there is no deploy/native/installs.sh" .github/workflows/deep-checks.yml 's|deploy/native/install\.sh|deploy/native/installs.sh|'
plant "a job under another name" rules "there is no job unit-test" $CI 's/^  unit-test:/  unit-tests:/; s/\[lint, unit-test,/[lint, unit-tests,/'
plant "an action by its major version alone" rules "actions/checkout@v6 names no single release" $CI "$JOB_LINT s/checkout@v6\.0\.2/checkout@v6/"
plant "a commit without the version that it is of" rules "names no single release" $CI "$JOB_LINT s/checkout@v6\.0\.2/checkout@0000000000000000000000000000000000000000/"
plant "a series of an image" rules "names no single release" $CI '0,/postgres:18\.4-bookworm/s//postgres:18-bookworm/'
plant "rights for the whole workflow" rules "permissions of the whole" $CI 's/^permissions: \{\}/permissions: {contents: read}/'
plant "a job without rights of its own" rules "does not say its permissions" $CI "$JOB_LINT { /permissions:/d; /contents: read/d }"
plant "a test that may push packages" rules "lint: may write" $CI "$JOB_LINT s/contents: read/packages: write/"
plant "a token that stays in the checkout" rules "lint: a checkout keeps its token" $CI "$JOB_LINT s/persist-credentials: false/persist-credentials: true/"
plant "an input that is misspelt, and so without effect" rules "publish: a checkout keeps its token" $CI "$JOB_PUBLISH s/persist-credentials/persist-credential/"
plant "every right for a job" zizmor "excessive-permissions" $CI "$JOB_LINT { s/permissions:/permissions: write-all/; /contents: read/d }"
plant "a job that may hang for six hours" rules "has no timeout-minutes" $CI "$JOB_LINT { /timeout-minutes/d }"
plant "publishing for every push" rules "is not for a tag alone" $CI "$JOB_PUBLISH { /^    if: /d }"
plant "publishing before a test" rules "does not wait for integration-test" $CI 's/, integration-test\]/]/'
plant "one version of Postgres" rules "postgres: 1 of two" $CI 's/postgres:18\.4-bookworm/postgres:15.19-bookworm/'
plant "one version of Kafka" rules "apache/kafka: 1 of two" $CI 's|apache/kafka:4\.1\.2|apache/kafka:4.3.1|'
plant "one object store" rules "object stores: 1 of two" $CI 's/object-store: versitygw/object-store: seaweedfs/'
plant "another server than the compose files run" rules "which the compose files run" deploy/docker/docker-compose.backing.yml 's|apache/kafka:4\.3\.1|apache/kafka:4.3.2|'
plant "another setting of Kafka than the stack's" rules "KAFKA_GROUP_CONSUMER_SESSION_TIMEOUT_MS is 8000" deploy/native/kafka/server.properties 's/^group\.consumer\.session\.timeout\.ms=8000/group.consumer.session.timeout.ms=9000/'

printf '\n%d faults planted, %d not caught\n' "$PLANTED" "$MISSED"
((MISSED == 0))
