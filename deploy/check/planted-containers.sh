#!/usr/bin/env bash
# Plants one fault of each kind in a copy of the repository, and shows which check of containers.sh catches it. Fails if
# one is not caught, or if a check finds something where nothing was planted.
source "$(dirname "$0")/../native/settings.sh"

CHECK=$REPO_DIR/deploy/check
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
MISSED=0
PLANTED=0

# Programs that need every library of the list and nothing else: what the list is compared with.
stand_ins() {
    local program
    mkdir -p "$SCRATCH/programs"
    echo 'int main(void) { return 0; }' |
        gcc -x c - -o "$SCRATCH/programs/depot" -Wl,--no-as-needed -lz -lssl -lcrypto -lgcc_s -lm -l:ld-linux-x86-64.so.2
    for program in command-api query-api projector uploader; do
        cp "$SCRATCH/programs/depot" "$SCRATCH/programs/$program"
    done
}

copy() {
    rm -rf "$SCRATCH/copy"
    mkdir "$SCRATCH/copy"
    tar -C "$REPO_DIR" --exclude-vcs --exclude=target --exclude=.stack --exclude=.env -cf - . | tar -C "$SCRATCH/copy" -xf -
}

run() { # CHECK
    PROGRAMS=$SCRATCH/programs "$CHECK/containers.sh" --only "$1" "$SCRATCH/copy" 2>&1
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

MAIN=deploy/docker-compose.yml
TESTS=deploy/docker-compose.test.yml
BACKING=deploy/docker/backing.yml
IMAGE=deploy/docker/Dockerfile

"$NATIVE_DIR/install.sh" check-containers
stand_ins
copy
for check in Dockerfiles "compose schema" "compose rules" scripts manifests libraries pinning; do
    output=$(run "$check") || die "$check finds something where nothing was planted: $output"
done
printf 'nothing planted: nothing found\n'

plant "an installation that asks a question" Dockerfiles DL3014 $IMAGE \
    'text.replace("apt-get install -y --no-install-recommends gcc", "apt-get install --no-install-recommends gcc")'
plant "a base without a tag" Dockerfiles DL3006 deploy/docker/minio/Dockerfile \
    'text.replace("FROM debian:bookworm-20260824-slim", "FROM debian")'
plant "a misspelled key" "compose schema" restrat $MAIN 'text.replace("    restart: unless-stopped", "    restrat: always", 1)'
plant "a service that extends nothing" "compose rules" "cannot be loaded" $MAIN \
    'text.replace("{file: docker/backing.yml, service: redis}", "{file: docker/backing.yml, service: rediss}")'
plant "an image of today: latest" "compose rules" "the tag latest" $MAIN 'text.replace("grafana/grafana:12.4.4", "grafana/grafana:latest")'
plant "an image without a tag" "compose rules" "has no tag" $MAIN 'text.replace("edenhill/kcat:1.7.1", "edenhill/kcat")'
plant "a bare major" "compose rules" "the tag 7 " $BACKING 'text.replace("redis:7.2.16-bookworm", "redis:7")'
plant "a series instead of a release" "compose rules" "the tag 1.4 " $MAIN 'text.replace("clamav/clamav:1.4.6", "clamav/clamav:1.4")'
plant "a compiler's series in a Dockerfile" "compose rules" "is built FROM golang:1.26-bookworm" deploy/docker/minio/Dockerfile \
    'text.replace("golang:1.26.8-bookworm", "golang:1.26-bookworm")'
plant "an image that runs as root" "compose rules" "runs as root" $IMAGE 'text.replace("USER 10001:10001\n# The tool", "# The tool")'
plant "a user by name, who may be root" "compose rules" "runs as minio" deploy/docker/minio/Dockerfile \
    'text.replace("USER 10001:10001", "USER minio")'
plant "a root file system that can be written" "compose rules" "lacks read_only" $MAIN 'text.replace("  read_only: true\n", "", 1)'
plant "capabilities that are kept" "compose rules" "lacks cap_drop" $MAIN 'text.replace("  cap_drop: [ALL]\n", "", 1)'
plant "privileges that may be gained" "compose rules" "redis: lacks security_opt" $BACKING \
    're.sub(r"(redis-server.*?)    security_opt: .*?\n", r"\1", text, count=1, flags=re.S)'
plant "a dependency that is not there" "compose rules" "depends on postgress, which is not there" $MAIN \
    'text.replace("      postgres: {condition: service_healthy}", "      postgress: {condition: service_healthy}", 1)'
plant "waiting for health without a health check" "compose rules" "which has no health check" $MAIN \
    'text.replace("jaeger: {condition: service_started}", "jaeger: {condition: service_healthy}", 1)'
plant "waiting for the end of what runs for good" "compose rules" "which runs for good" $MAIN \
    'text.replace("redis: {condition: service_healthy}", "redis: {condition: service_completed_successfully}", 1)'
plant "not waiting for the end of a step" "compose rules" "which is a step" $MAIN \
    'text.replace("migrate: {condition: service_completed_successfully}", "migrate: {condition: service_started}", 1)'
plant "a health check that wants a shell" "compose rules" "wants a shell" $MAIN \
    'text.replace("test: [CMD, depot, healthcheck]", "test: [CMD-SHELL, depot healthcheck]")'
plant "a health check of a port that nobody names" "compose rules" "asks ADMIN_PORT" $MAIN \
    'text.replace("      ADMIN_PORT: 9182\n", "")'
plant "a port on every address" "compose rules" "not on loopback" $MAIN 'text.replace("127.0.0.1:15432:5432", "15432:5432")'
plant "a volume that is not defined" "compose rules" "is used, and not among the volumes" $MAIN \
    'text.replace("\n  prometheus:\n  grafana:\n", "\n  grafana:\n")'
plant "a volume that nobody uses" "compose rules" "and not used" $MAIN 'text.replace("\n  load-results:\n", "\n  load-results:\n  idle:\n")'
plant "a file that is not there" "compose rules" "which is not there" $MAIN 'text.replace("./docker/clamd.conf", "./docker/clam.conf")'
plant "a file of ours that a container may write" "compose rules" "may write into" $MAIN \
    'text.replace("haproxy.cfg:ro", "haproxy.cfg")'
plant "a profile that needs what is off" "compose rules" "needs kafka, which is off" $MAIN \
    'text.replace("    profiles: [kafka, minio]\n    environment:\n      KAFKA_LISTENERS", "    profiles: [kafka]\n    environment:\n      KAFKA_LISTENERS")'
plant "brokers that nobody reaches by name" "compose rules" "calls kafka, and nobody has that name" $MAIN \
    'text.replace("aliases: [kafka]", "aliases: [brokers]")'
plant "two profiles that can be on together" "compose rules" "can be on together" $MAIN \
    'text.replace("127.0.0.1:19092:19092", "127.0.0.1:19093:19092", 1)'
plant "a profile without topics" "compose rules" "minio: 0 steps instead of one make topics" $MAIN \
    'text.replace("  topics:\n    <<: *step\n    profiles: [kafka, minio]", "  topics:\n    <<: *step\n    profiles: [kafka]")'
plant "a service that does not wait for the buckets" "compose rules" "does not wait for buckets" $MAIN \
    'text.replace("      buckets: {condition: service_completed_successfully, required: false}\n", "")'
plant "a profile without the demo" "compose rules" "does not run the demo" $MAIN 'text.replace("command: [depot, demo]", "command: [depot, --help]")'
plant "rights in the store that differ from the native stack's" "compose rules" "is not what native/identities.py prints" \
    deploy/docker/identities.json 'text.replace("Read:files*", "Admin")'
plant "tests that end with another container" "compose rules" "which would end the tests" $TESTS \
    'text.replace("service: redis}\n", "service: redis}\n    restart: \"no\"\n")'
plant "a failure that a script does not see" scripts SC2155 deploy/docker/root.sh \
    'text.replace("    local name package\n", "    local name package here=$(pwd)\n")'
plant "a member of the workspace that the image lacks" manifests "failed to load manifest" deploy/docker/Dockerfile.dockerignore \
    'text.replace("!schemas\n", "")'
plant "sources in the layer of dependencies" manifests "leaves other files" $IMAGE \
    'text.replace("    && find . -name lib.rs -exec truncate -s 0 {} + \\\n", "")'
plant "a library that the image lacks" libraries "needs libz.so.1" deploy/docker/libraries.txt 'text.replace("libz.so.1        zlib1g\n", "")'
plant "a library that nobody needs" libraries "no program needs it" deploy/docker/libraries.txt 'text + "libzstd.so.1 libzstd1\n"'
plant "a digest that is believed unseen" pinning "FAIL: test_a_digest_that_is_not_that_of_the_content" deploy/pin/registry.py \
    'text.replace("if said not in (None, computed):", "if False:")'
plant "files that are changed before all is resolved" pinning "FAIL: test_a_tag_that_is_not_there" deploy/pin/pin.py \
    'text.replace("            new[path] = text\n", "            replace(path, text)\n")'

printf '%s faults planted, %s\n' "$PLANTED" "$( ((MISSED)) && echo 'NOT all of them caught' || echo 'each caught')"
exit "$MISSED"
