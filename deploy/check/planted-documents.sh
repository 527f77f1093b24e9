#!/usr/bin/env bash
# Plants one fault of each kind in the documents of a copy, or in what they name, and shows what documents.sh says of it. Fails if
# one is not caught, or if something is found where nothing was planted.
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

run() { "$CHECK/documents.sh" --only "blocks of the documents" "$SCRATCH/copy" 2>&1; }

# Edits one file of the copy, has the check look at it, and puts the file back.
plant() { # WHAT SAID FILE PYTHON-EXPRESSION-OF-text
    local what=$1 said=$2 file=$SCRATCH/copy/$3 expression=$4 output status=0
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
    output=$(run) || status=$?
    cp "$SCRATCH/kept" "$file"
    ((PLANTED += 1))
    if ((status != 0)) && grep -qF -- "$said" <<<"$output"; then
        printf '%-58s caught: %s\n' "$what" "$(grep -m 1 -F -- "$said" <<<"$output" | cut -c 1-120)"
    else
        MISSED=1
        printf '%-58s MISSED (exit code %s)\n%s\n' "$what" "$status" "$output"
    fi
}

README=README.md
CONTAINERS=docs/deploy.md
KUBERNETES=docs/deploy-kubernetes.md

"$NATIVE_DIR/install.sh" check-containers check-kubernetes
copy
output=$(run) || die "something is found where nothing was planted: $output"
printf 'nothing planted: nothing found\n'

# Each page is run alone where a fault of another one would only take time: those without a fault have been run above.
only() { # PAGE: takes the marks of all other pages
    local page
    for page in "$README" "$CONTAINERS" "$KUBERNETES"; do
        cp "$REPO_DIR/$page" "$SCRATCH/copy/$page"
        [[ $page == "$1" ]] || sed -i '/^<!-- checked -->$/d' "$SCRATCH/copy/$page"
    done
}

only $README
plant "a profile that there is not" "there is no profile kafkas" $README 'text.replace("--profile kafka up", "--profile kafkas up")'
plant "a flag that the engine does not know" "does not know --rebuild" $README 'text.replace("up --build", "up --rebuild")'
plant "a compose file that cannot be loaded" "docker-compose.yml" deploy/docker-compose.yml 'text.replace("service: redis}", "service: rediss}")'

only $CONTAINERS
plant "a service of another name" "there is no service command-apis" $CONTAINERS 'text.replace("logs -f command-api", "logs -f command-apis")'
plant "a service whose profile is off" "of which none is on" $CONTAINERS \
    'text.replace("--profile kafka run --rm demo", "--profile tools run --rm demo")'
plant "a host that nobody has" "nobody is called kafkas" $CONTAINERS 'text.replace("kcat -b kafka:9092", "kcat -b kafkas:9092")'
plant "an argument that the image does not take" "takes no VERSIONS" $CONTAINERS \
    'text.replace("--build-arg VERSION=", "--build-arg VERSIONS=")'
plant "an image that nobody has built" "nobody has built depots" $CONTAINERS \
    'text.replace("docker run --rm depot depot --version", "docker run --rm depots depot --version")'
plant "a program that the image lacks" "sh is not in the image" $CONTAINERS \
    'text.replace("docker run --rm depot depot --version", "docker run --rm depot sh")'
plant "a container that there is not" "there is no container loads" $CONTAINERS 'text.replace("docker cp load:", "docker cp loads:")'
plant "a step of another name, in a loop" "there is no service bucket" $CONTAINERS \
    'text.replace("migrate topics buckets; do", "migrate topics bucket; do")'
plant "tests that end with whom there is not" "there is no service test" $CONTAINERS \
    'text.replace("--exit-code-from tests", "--exit-code-from test")'

only $KUBERNETES
plant "secrets that are not there" "my-secret.yaml is not there" $KUBERNETES 'text.replace("-f my-secrets.yaml", "-f my-secret.yaml", 1)'
plant "objects before their namespace" "there is no namespace depot yet" $KUBERNETES \
    'text.replace("kubectl apply -f deploy/k8s/namespace.yaml\n", "", 1)'
plant "a value that the chart does not know" "commandApis" $KUBERNETES \
    'text.replace("--set commandApi.image.tag", "--set commandApis.image.tag", 1)'
plant "a flag that helm does not know" "does not know --timeouts" $KUBERNETES 'text.replace("--timeout 15m", "--timeouts 15m", 1)'
plant "an upgrade of what is not installed" "nothing is installed yet" $KUBERNETES 'text.replace("helm install depot", "helm upgrade depot", 1)'
plant "an overlay that does not build" "accumulating resources" $KUBERNETES 'text.replace("../deploy/k8s/base]", "../deploy/k8s/basis]", 1)'
plant "a patch of what is not there" "depot-command-apis" $KUBERNETES \
    'text.replace("metadata: {name: depot-command-api}", "metadata: {name: depot-command-apis}", 1)'
plant "a step of another name" "there is no job/depot-bucket" $KUBERNETES 'text.replace("job/depot-buckets\n", "job/depot-bucket\n", 1)'
plant "a port that the pod does not have" "has the ports" $KUBERNETES 'text.replace("port-forward deploy/depot-command-api 9180", "port-forward deploy/depot-command-api 9181")'
plant "a secret without that key" "has no JWT_SECRETS" $KUBERNETES 'text.replace("{.data.JWT_SECRET}", "{.data.JWT_SECRETS}")'
plant "a command that the tool does not have" "depot has no command tokens" $KUBERNETES 'text.replace("depot:0.1.0 depot token", "depot:0.1.0 depot tokens")'
plant "a package that the workspace lacks" "the workspace has no depot-tool" $KUBERNETES 'text.replace("cargo build -p depot-cli", "cargo build -p depot-tool")'
plant "a target that make does not have" "image-pushed" $KUBERNETES 'text.replace("make image-push", "make image-pushed")'
plant "a field that Kubernetes misses" "'selector' is a required property" deploy/helm/depot/templates/_deployment.tpl \
    'text.replace("selector:", "selectors:", 1)'

printf '\n%s faults planted\n' "$PLANTED"
exit "$MISSED"
