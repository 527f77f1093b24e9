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
    # By tags alone, so that a fault is planted in the same way after `make pin`.
    find "$SCRATCH/copy/deploy" \( -name 'docker-compose*.yml' -o -path '*/deploy/docker/*.yml' -o -name Dockerfile \) \
        -exec sed -i -E 's/@sha256:[0-9a-f]{64}//' {} +
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
BACKING=deploy/docker/docker-compose.backing.yml
IMAGE=deploy/docker/Dockerfile

"$NATIVE_DIR/install.sh" check-containers
stand_ins
copy
for check in Dockerfiles "compose schema" "compose rules" settings scripts manifests libraries pinning; do
    output=$(run "$check") || die "$check finds something where nothing was planted: $output"
done
printf 'nothing planted: nothing found\n'

plant "an installation that asks a question" Dockerfiles DL3014 $IMAGE \
    'text.replace("apt-get install -y --no-install-recommends gcc", "apt-get install --no-install-recommends gcc")'
plant "a base without a tag" Dockerfiles DL3006 deploy/docker/minio/Dockerfile \
    'text.replace("FROM debian:bookworm-20260824-slim", "FROM debian")'
plant "a misspelled key" "compose schema" restrat $MAIN 'text.replace("    restart: unless-stopped", "    restrat: always", 1)'
plant "a service that extends nothing" "compose rules" "cannot be loaded" $MAIN \
    'text.replace("{file: docker/docker-compose.backing.yml, service: redis}", "{file: docker/docker-compose.backing.yml, service: rediss}")'
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
plant "a label that the image lacks" "compose rules" "lacks the label org.opencontainers.image.revision" $IMAGE \
    'text.replace("      org.opencontainers.image.revision=\"$REVISION\" \\\n", "")'
plant "a label made of an argument that is not there" "compose rules" "is made of SOURCE, which is no ARG" $IMAGE \
    'text.replace("ARG SOURCE=unknown\n", "")'
plant "a label that says nothing" "compose rules" "lacks the label org.opencontainers.image.licenses" deploy/docker/minio/Dockerfile \
    'text.replace("AGPL-3.0-or-later", "")'
plant "a service that is killed while it drains" "compose rules" "command-api: is killed after 30 s, and may take 34 s" $MAIN \
    'text.replace("  stop_grace_period: 40s\n  healthcheck", "  stop_grace_period: 30s\n  healthcheck")'
plant "a longer drain than the engine waits for" "compose rules" "uploader: is killed after 40 s, and may take 69 s" $MAIN \
    'text.replace("      ADMIN_PORT: 9183\n", "      ADMIN_PORT: 9183\n      SHUTDOWN_DEADLINE_SECONDS: 60\n")'
plant "a longer drain by default than the engine waits for" "compose rules" "projector: is killed after 40 s, and may take 41 s" \
    crates/service/src/runtime.rs 'text.replace("Duration::from_secs(2);", "Duration::from_secs(9);", 1)'
plant "a cluster of two brokers" "compose rules" "kafka-cluster: has 2 brokers instead of three" $MAIN \
    're.sub(r"(?s)(  kafka-3:.*?profiles: \[kafka)-cluster\]", r"\1]", text, count=1)'
plant "brokers with one number" "compose rules" "with the same KAFKA_NODE_ID" $MAIN \
    'text.replace("KAFKA_NODE_ID: 3", "KAFKA_NODE_ID: 2")'
plant "a cluster in which one copy is enough" "compose rules" "kafka-2: KAFKA_MIN_INSYNC_REPLICAS is 1, and has to be 2" $MAIN \
    'text.replace("        KAFKA_MIN_INSYNC_REPLICAS: 2\n", "        KAFKA_MIN_INSYNC_REPLICAS: 1\n")'
plant "topics of a cluster with two copies" "compose rules" "topics-of-cluster: KAFKA_REPLICATION_FACTOR is 2" $MAIN \
    'text.replace("      KAFKA_REPLICATION_FACTOR: 3", "      KAFKA_REPLICATION_FACTOR: 2")'
plant "tests that end with another container" "compose rules" "which would end the tests" $TESTS \
    'text.replace("service: redis}\n", "service: redis}\n    restart: \"no\"\n")'
plant "a variable that no program reads" settings "does not read QUOTA_BYTES" $MAIN \
    'text.replace("DEFAULT_QUOTA_BYTES", "QUOTA_BYTES")'
plant "a variable that another program reads" settings "projector does not read UPLOADER_ADMIN_URL" $MAIN \
    'text.replace("      ADMIN_PORT: 9182\n", "      ADMIN_PORT: 9182\n      UPLOADER_ADMIN_URL: http://uploader:9183\n")'
plant "a variable that the demo does not read" settings "service demo: depot does not read GRPC_URL" $MAIN \
    'text.replace("    environment: *environment\n", "    environment: {<<: *environment, GRPC_URL: \"http://localhost:50051\"}\n")'
plant "a variable that the load does not read" settings "service load: none of loadtest/attack.sh, loadtest/targets.py reads" $MAIN \
    'text.replace("QUERIES_PER_SECOND: ", "READS_PER_SECOND: ")'
plant "a variable that the step for MinIO does not read" settings "setup.sh reads UPLOADER_MINIO_SECRET" $MAIN \
    'text.replace("      UPLOADER_MINIO_SECRET_KEY", "      UPLOADER_MINIO_SECRET")'
plant "a server that the tests would start beside the composed one" settings "service tests: none of deploy/native/settings.sh reads" \
    $TESTS 'text.replace("REDIS_ADDR", "REDIS_ADDRESS")'
plant "a server that the tests are not told of" settings "service tests: is not told of object-store" $TESTS \
    'text.replace("      MINIO_ENDPOINT: http://object-store:8333\n", "")'
plant "a misspelt setting of a broker" settings "KAFKA_MIN_INSYNC_REPLICA is no setting" $MAIN \
    'text.replace("        KAFKA_MIN_INSYNC_REPLICAS: 2", "        KAFKA_MIN_INSYNC_REPLICA: 2")'
plant "variables that nobody is known to read" settings "service scanner: has variables" $MAIN \
    'text.replace("    image: clamav/clamav:1.4.6\n", "    image: clamav/clamav:1.4.6\n    environment: {CLAMD_CONF: a}\n")'
plant "a URL with a port that the program has not" settings "COMMAND_PUBLIC_URL: PORT is 8082, and command-api has 8080" $MAIN \
    'text.replace("COMMAND_PUBLIC_URL: http://localhost:8080", "COMMAND_PUBLIC_URL: http://localhost:8082")'
plant "a URL with the port of another API" settings "service load, QUERY_PUBLIC_URL: PORT is 8080" $MAIN \
    'text.replace("QUERY_PUBLIC_URL: http://query-api:8081", "QUERY_PUBLIC_URL: http://query-api:8080")'
plant "an address of the host that nobody publishes" settings "and nobody publishes 18334" $MAIN \
    'text.replace("MINIO_PUBLIC_ENDPOINT: http://localhost:18333", "MINIO_PUBLIC_ENDPOINT: http://localhost:18334")'
plant "brokers at a port that they have not" settings "kafka:9094, which is no port of kafka, kafka-1, kafka-2, kafka-3" \
    $MAIN 'text.replace("KAFKA_BROKERS: kafka:9092", "KAFKA_BROKERS: kafka:9094")'
plant "an object store at a port that it has not" settings "object-store:8334, which is no port of object-store, minio" $MAIN \
    'text.replace("MINIO_ENDPOINT: http://object-store:8333", "MINIO_ENDPOINT: http://object-store:8334")'
plant "tests that look for Redis elsewhere" settings "redis:6380, which is no port of redis" $TESTS \
    'text.replace("redis:6379", "redis:6380")'
plant "a scanner at a port that it has not" settings "scanner:3311, which is no port of scanner" $MAIN \
    'text.replace("scanner:3310", "scanner:3311")'
plant "another port on the host than the native stack's" settings "publishes 5432 as 15433, and the native stack has 15432" $MAIN \
    'text.replace("127.0.0.1:15432:5432", "127.0.0.1:15433:5432")'
plant "another port of an API on the host" settings "publishes 8080 as 8088, and the native stack has 8080" $MAIN \
    'text.replace("127.0.0.1:8080:8080", "127.0.0.1:8088:8080")'
plant "another port of a broker than that of its number" settings "publishes 19122 as 19122, and the native stack has 19112" $MAIN \
    'text.replace("19112", "19122")'
plant "a port of a server where it does not listen" settings "publishes 6380, where redis does not listen" $MAIN \
    'text.replace("127.0.0.1:16379:6379", "127.0.0.1:16379:6380")'
plant "a broker that advertises what it does not listen to" settings "advertises HOST://localhost:19113" $MAIN \
    'text.replace("HOST://localhost:19112", "HOST://localhost:19113")'
plant "a voter at another port than the controller's" settings "2@kafka-2:9092 is no controller" $MAIN \
    'text.replace("2@kafka-2:9093", "2@kafka-2:9092")'
plant "a health check of another port" settings "its health check asks 9095" $BACKING \
    'text.replace("localhost:9092", "localhost:9095")'
plant "a proxy to another port" settings "50051 leads to query-api:50052" deploy/docker/host-ports.cfg \
    'text.replace("query-api:50051", "query-api:50052")'
plant "a port of the host that the proxy lacks" settings "18333 is not in it" deploy/docker/host-ports.cfg \
    'text.replace("bind 127.0.0.1:18333", "bind 127.0.0.1:18334")'
plant "metrics that are asked for at another port" settings "ADMIN_PORT is 8081, and query-api has 9181" \
    deploy/prometheus/prometheus.yml 'text.replace("query-api:9181", "query-api:8081")'
plant "a service whose metrics nobody asks for" settings "uploader is not asked" deploy/prometheus/prometheus.yml \
    're.sub(r"      - targets: ..uploader:9183..\n.*\n", "", text)'
plant ".env.example: an address of a server elsewhere than the stack's" settings "has kafka on 19092" .env.example \
    'text.replace("KAFKA_BROKERS=127.0.0.1:19092", "KAFKA_BROKERS=127.0.0.1:9092")'
plant ".env.example: a URL with another port" settings "GRPC_PUBLIC_URL: GRPC_PORT is 50052" .env.example \
    'text.replace("GRPC_PUBLIC_URL=http://localhost:50051", "GRPC_PUBLIC_URL=http://localhost:50052")'
plant "the native stack: another port than compose's" settings "and the native stack has 16380" deploy/native/settings.sh \
    'text.replace("$((16379 +", "$((16380 +")'
plant "rights in the store that a Secret has otherwise" settings "the identity query-api is not what" deploy/k8s/secrets.example.yaml \
    'text.replace("[\"Read:files\"]", "[\"Read:files\", \"Write:files\"]")'
plant "a policy that the chart's example has otherwise" settings "the policy command-api is not what" deploy/helm/values/minimal.yaml \
    'text.replace("s3:AbortMultipartUpload", "s3:GetObject")'
plant "a key that is not the program's" settings "the identity uploader is not what" deploy/helm/values/minimal.yaml \
    'text.replace("\"secretKey\": \"try-out-uploader\"", "\"secretKey\": \"try-out\"")'
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
