#!/usr/bin/env bash
# Plants one fault of each kind in a copy, and shows which check finds it. Fails if one is not found, or not for its reason.
source "$(dirname "$0")/../native/settings.sh"

SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
COPY=$SCRATCH/depot
LOG=$SCRATCH/log
PLANTED=0
MISSED=0

# The copy installs nothing, and is checked by one version of Kubernetes.
export STACK_TOOLS_DIR STACK_DIR=$SCRATCH/stack CHECK_VERSIONS=1.37
FOR_KUSTOMIZE='external in-cluster external+keda in-cluster+keda'
FEW='external+keda in-cluster tls-sasl'

copy_what_is_checked() {
    mkdir -p "$COPY"
    (cd "$REPO_DIR" && tar -c --exclude target --exclude .stack deploy docs/operations.md docs/runbook.md .env.example Cargo.toml schemas \
        crates command-api query-api projector uploader tests loadtest) | tar -x -C "$COPY"
}

# As few examples as have the fault: those that overlays are made of, that one whose values it is in, or one of each kind.
sets_for() { # STEPS FILE
    case "$1 $2" in
    *kustomize*) printf '%s\n' "$FOR_KUSTOMIZE" ;;
    *helm/values/keda.yaml) printf '%s\n' external+keda ;;
    *helm/values/*) basename "$2" .yaml ;;
    *) printf '%s\n' "$FEW" ;;
    esac
}

run_steps() { # SETS STEP…
    CHECK_VALUE_SETS=$1 "$COPY/deploy/check/kubernetes.sh" "${@:2}" >"$LOG" 2>&1
}

# The steps before the last are to pass, and the last one is to fail with these words.
plant() { # NAME "STEP…" WORDS FILE SED-EXPRESSION
    local name=$1 words=$3 file=$COPY/$4 kept=$SCRATCH/kept sets steps last
    sets=$(sets_for "$2" "$4")
    read -ra steps <<<"$2"
    last=${steps[-1]}
    unset 'steps[-1]'
    PLANTED=$((PLANTED + 1))
    cp "$file" "$kept"
    sed -i -E "${@:5}" "$file"
    if cmp -s "$file" "$kept"; then
        missed "$name" "nothing was planted"
    elif ((${#steps[@]} > 0)) && ! run_steps "$sets" "${steps[@]}"; then
        missed "$name" "a step before $last failed"
    elif run_steps "$sets" "$last"; then
        missed "$name" "$last passes"
    elif ! grep -q -F -- "$words" "$LOG"; then
        missed "$name" "$last fails, and does not say: $words"
    else
        printf '%-10s %-58s %s\n' "$last" "$name" "$(grep -m 1 -F -- "$words" "$LOG" | sed -E "s|$SCRATCH/[a-z/]*/||g; s/^ *//" | cut -c 1-150)"
    fi
    cp "$kept" "$file"
}

missed() { # NAME WHY
    MISSED=$((MISSED + 1))
    printf '%-10s %-58s %s\n' 'NOT FOUND' "$1" "$2"
    tail -n 15 "$LOG" | sed 's/^/    /'
}

copy_what_is_checked
CHART=deploy/helm/depot
VALUES=deploy/helm/values
if ! run_steps "$FOR_KUSTOMIZE tls-sasl" lint render current kustomize schemas policy settings; then
    cat "$LOG"
    die "the copy is not without a fault before one is planted"
fi
say "nothing is found in the copy before a fault is planted"

# Values.
plant "a key that no value has" lint "'comandApi' not allowed" $VALUES/external.yaml 's/^commandApi:/comandApi:/'
plant "a variable that the service does not read" lint "RELAY_ENABLD" $VALUES/external.yaml 's/^commandApi: .*/commandApi: {existingSecret: a, settings: {RELAY_ENABLD: false}}/'
plant "a number that is text" lint "replicas" $VALUES/external.yaml 's/^queryApi: .*/queryApi: {existingSecret: a, replicas: two}/'
plant "no brokers" lint "minLength" $VALUES/external.yaml 's/^  brokers: .*/  brokers: ""/'
plant "authorities of a connection without TLS" lint "securityProtocol" $VALUES/tls-sasl.yaml 's/securityProtocol: sasl_ssl/securityProtocol: plaintext/'
plant "tokens that nobody signs" lint "jwks" $VALUES/tls-sasl.yaml 's|^    url: .*|    url: ""|'
plant "more pods than a topic has partitions" lint "maxReplicas" $VALUES/keda.yaml 's/lagMessages: 20\}/lagMessages: 20, maxReplicas: 7}/'
plant "a peer that is everybody" lint "minItems" $VALUES/external.yaml '$anetworkPolicy: {publicFrom: []}'
plant "an image by the tag latest" lint "image" $VALUES/in-cluster.yaml 's/^  redis: .*/  redis: {enabled: true, existingSecret: depot-redis, image: "redis:latest"}/'
plant "a template that is none" lint "function" $CHART/templates/ingress.yaml 's/include "depot.fullname"/inklude "depot.fullname"/'

# Templates.
plant "a Secret that is neither named nor given" render "set existingSecret" $VALUES/external.yaml '/^projector:/d'

# Manifests.
plant "a manifest that was changed by hand" "current" "not what the chart renders" deploy/k8s/base/command-api/deployment.yaml 's/failureThreshold: 120/failureThreshold: 12/'
plant "a chart that was changed, and the manifests not" "current" "not what the chart renders" $CHART/values.yaml 's/deadlineSeconds: 25/deadlineSeconds: 26/'
plant "a file that no overlay has" "render kustomize" "no such file" deploy/k8s/base/kustomization.yaml 's|network-policy.yaml|network-policies.yaml|'
plant "a patch that was forgotten" "render kustomize" "Deployment/depot-uploader differs" deploy/k8s/backing/kustomization.yaml '/uploader-deployment/d'
plant "a HorizontalPodAutoscaler beside a ScaledObject" "render kustomize" "HorizontalPodAutoscaler/depot-projector is in" deploy/k8s/keda/kustomization.yaml '/patches.projector-scaling/d'

# By the schemas of Kubernetes.
plant "a field that is misspelt" "render schemas" "terminationGracePeriodSecond" $CHART/templates/_deployment.tpl 's/terminationGracePeriodSeconds:/terminationGracePeriodSecond:/'
plant "a value of the wrong type" "render schemas" "is not of type" $CHART/templates/_service.tpl 's/port: \{\{ \$number \}\}/port: {{ $number | quote }}/'
plant "a field that is missing" "render schemas" "'rules'" $CHART/templates/_deployment.tpl 's/^          image: .*/          rules: []/'
plant "a ScaledObject with a field that it has not" "render schemas" "minReplicas" $CHART/templates/_scaling.tpl 's/minReplicaCount:/minReplicas:/'
plant "an API that is no more" "render schemas" "Couldn't find schema" $CHART/templates/_scaling.tpl 's|autoscaling/v2|autoscaling/v2beta2|'

# Pods.
plant "a root file system that can be written" "render policy" "readOnlyRootFilesystem is not true" $CHART/templates/_pod.tpl 's/readOnlyRootFilesystem: true/readOnlyRootFilesystem: false/'
plant "a process that may be root" "render policy" "runAsNonRoot is not true" $CHART/templates/_pod.tpl 's/runAsNonRoot: true/runAsNonRoot: false/'
plant "another user than the image's" "render policy" "another user than the image's" $CHART/templates/_deployment.tpl 's/"uid" 10001/"uid" 10002/'
plant "a capability that is kept" "render policy" "does not drop all capabilities" $CHART/templates/_pod.tpl 's/drop: \[ALL\]/drop: [NET_RAW]/'
plant "no seccomp profile" "render policy" "no seccomp profile" $CHART/templates/_pod.tpl '/seccompProfile/d'
plant "privileges that can be gained" "render policy" "allowPrivilegeEscalation is not false" $CHART/templates/_pod.tpl 's/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/'
plant "a token of the API server" "render policy" "mounts a token" $CHART/templates/_pod.tpl '/automountServiceAccountToken/d'
plant "service links" "render policy" "has service links" $CHART/templates/_pod.tpl '/enableServiceLinks/d'
plant "a folder of the machine" "render policy" "of a kind that is not allowed" $CHART/templates/backing/redis.yaml 's|name: data, emptyDir: \{\}|name: data, hostPath: {path: /data}|'
plant "no limit of memory, in the values" lint "missing property 'memory'" $CHART/values.yaml 's/limits: \{memory: 768Mi\}/limits: {cpu: "1"}/'
plant "no limit of memory" "render policy" "no limits of memory" $CHART/templates/_deployment.tpl 's/resources: .*/resources: {requests: {cpu: 1, memory: 1Gi}}/'
plant "no request of processors" "render policy" "no requests of cpu" $CHART/templates/_deployment.tpl 's/resources: .*/resources: {requests: {memory: 1Gi}, limits: {memory: 1Gi}}/'
plant "no probe of readiness" "render policy" "no readinessProbe" $CHART/templates/_deployment.tpl 's/readinessProbe:/lifecycle:/'
plant "a probe at a port that is not there" "render policy" "livenessProbe asks port" $CHART/templates/_deployment.tpl 's|path: /livez, port: admin|path: /livez, port: metrics|'
plant "a grace shorter than the drain" "render policy" "to drain" $CHART/templates/_deployment.tpl 's/ 15 \}\}$/ 5 }}/'
plant "a Job that is kept for ever" "render policy" "no ttlSecondsAfterFinished" $CHART/templates/_job.tpl '/ttlSecondsAfterFinished:/d'
plant "an image by a major version" "render policy" "the tag 15 names no single release" $CHART/values.yaml 's/postgres:15.19-bookworm/postgres:15/'
plant "an image by a series of two numbers" "render policy" "the tag 7.2-bookworm names no single release" $CHART/values.yaml 's/redis:7.2.16-bookworm/redis:7.2-bookworm/'
plant "pods that are not spread" "render policy" "is not spread over topology.kubernetes.io/zone" $CHART/templates/_deployment.tpl '/include "depot.spread"/d'
plant "pods that are spread by others than their own" "render policy" "by other pods than its own" $CHART/templates/_pod.tpl '/define "depot.spread"/,$s/"depot.selectorLabels" \$/"depot.selectorLabels" (dict "root" $.root "name" "nobody")/'
plant "code: an end that takes longer than the grace" "render policy" "and may take 45 s to drain" crates/service/src/shutdown.rs 's/(const LAST_DEADLINE: .*)\(2\)/\1(13)/'
plant "code: an end that the check cannot find" "render policy" "no THREADS_END_WITHIN in seconds" crates/service/src/runtime.rs 's/const THREADS_END_WITHIN:/const THREADS_MAY_TAKE:/'

# References.
plant "a Deployment that does not select its pods" "render policy" "does not select its own pods" $CHART/templates/_deployment.tpl '/^  selector:/,/^  template:/s/"depot.selectorLabels" \./"depot.selectorLabels" (dict "root" .root "name" "nobody")/'
plant "a Service that selects nobody" "render policy" "selects no pod" $CHART/templates/_service.tpl 's/"depot.selectorLabels" \./"depot.selectorLabels" (dict "root" .root "name" "nobody")/'
plant "a Service's port that leads nowhere" "render policy" "leads to" $CHART/templates/_service.tpl 's/targetPort: \{\{ \$port \}\}/targetPort: public/'
plant "a StatefulSet without its headless Service" "render policy" "there is no headless Service" $CHART/templates/backing/kafka.yaml 's/serviceName: \{\{ \$name \}\}/serviceName: {{ $name }}-nodes/'
plant "a ConfigMap that is not there" "render policy" "refers to ConfigMap/" $CHART/templates/_deployment.tpl 's/configMapRef: \{name: (.*)\}$/configMapRef: {name: settings-of-\1}/'
plant "a Secret that nobody declares" "render policy" "refers to Secret/depot-topic," $VALUES/external.yaml 's/existingSecret: depot-topics/existingSecret: depot-topic/'
plant "a key that the Secret has not" "render policy" "refers to the key" deploy/k8s/secrets.example.yaml 's/^  REDIS_ADDR:/  REDIS_URL:/'
plant "a secret that nobody reads" "render policy" "nobody reads its key" deploy/k8s/secrets.example.yaml '/name: depot-projector\}/,/---/s/^stringData:/stringData:\n  CURSOR_SECRET: example/'
plant "a ServiceAccount that is not there" "render policy" "refers to ServiceAccount/" $CHART/templates/projector/service-account.yaml 's/"projector"/"projectors"/'
plant "a volume that is mounted and not there" "render policy" "which is no volume of the pod" $CHART/templates/backing/kafka.yaml 's/name: logs, emptyDir/name: log, emptyDir/'
plant "a claim that is not there" "render policy" "refers to PersistentVolumeClaim/" $CHART/templates/backing/redis.yaml 's|name: data, emptyDir: \{\}|name: data, persistentVolumeClaim: {claimName: data}|'
plant "a secret in a ConfigMap" "render policy" "is a secret, and belongs into a Secret" $CHART/templates/_settings.tpl 's/set \$s "S3_REGION"/set $s "MINIO_SECRET_KEY"/'
plant "a password in a pod's variable" "render policy" "stands in the pod itself" $CHART/templates/backing/postgres.yaml 's/name: POSTGRES_DB, value: depot/name: POSTGRES_URL, value: "postgres:\/\/a:b@c"/'
plant "another program's Secret" "render policy" "which is another's" $CHART/templates/uploader/deployment.yaml 's/\.Values\.uploader/(merge (dict "existingSecret" "depot-command-api") .Values.uploader)/'
plant "one host for commands and queries" "render policy" "no Ingress splits a path by method" $CHART/values.yaml 's/host: queries\.depot/host: commands.depot/'
plant "an Ingress that leads to metrics" "render policy" "leads to an admin port" $CHART/templates/ingress.yaml 's/"service" "query-api" "port" "http"/"service" "query-api" "port" "admin"/'

# Network and scaling.
plant "no default deny" "render policy" "denies all of the namespace by default" $CHART/templates/network-policy.yaml 's/podSelector: \{\}/podSelector: {matchLabels: {a: b}}/'
plant "a pod that no policy covers" "render policy" "no NetworkPolicy of its own" $CHART/templates/projector/network-policy.yaml 's/"name" "projector"/"name" "uploader"/'
plant "a rule for everybody" "render policy" "for everybody, or for every port" $CHART/templates/_network.tpl 's/^    - from: \{\{- toYaml \$v.networkPolicy.metricsFrom .*/    - from: []/'
plant "a policy of one direction" "render policy" "does not govern both directions" $CHART/templates/_network.tpl 's/policyTypes: \[Ingress, Egress\]/policyTypes: [Ingress]/'
plant "the admin port for the ingress controller" "render policy" "opens the admin port for" $CHART/templates/_network.tpl 's/networkPolicy\.metricsFrom/networkPolicy.publicFrom/'
plant "the admin port for the ingress controller, by its number" "render policy" "opens the admin port for" $CHART/templates/_network.tpl 's/^( {8}- \{protocol: TCP, port: )\{\{ \. \}\}\}$/&\n\1{{ $facts.ports.admin }}}/'
plant "a client that its service does not let in" "render policy" "which does not let it in" $CHART/templates/backing/redis.yaml 's/\(list "query-api" "projector"\)/(list "query-api")/'
plant "a client that may not call its service" "render policy" "which may not call it" $CHART/templates/_facts.tpl 's/calls: \[postgres, redis, issuer, collector\]/calls: [postgres, issuer, collector]/'
plant "a pod without a budget" "render policy" "PodDisruptionBudgets cover its pods" $CHART/templates/query-api/scaling.yaml 's/"name" "query-api"/"name" "query"/'
plant "a budget that lets no machine be drained" "render policy" "lets no machine be drained" $CHART/templates/_scaling.tpl 's/maxUnavailable: 1/maxUnavailable: 0/'
plant "a scaler of nothing" "render policy" "which is not there" $CHART/templates/_scaling.tpl 's/^    kind: Deployment/    kind: StatefulSet/'
plant "a service without a scaler" "render policy" "is scaled by nobody" $CHART/templates/query-api/scaling.yaml 's/"depot.scaling"/"depot.disruptionBudget"/'
plant "a service with a number of pods instead of a scaler" "render policy" "is scaled by nobody" $VALUES/external.yaml 's/^queryApi: .*/queryApi: {existingSecret: depot-query-api, autoscaling: {enabled: false}}/'
plant "a scaler whose number is set back" "render policy" "which each deployment would set back" $CHART/templates/_deployment.tpl 's/if not \.values\.autoscaling\.enabled/if .values.autoscaling.enabled/'

# What only another form of the chart has.
plant "a reference to the name of one release" "render otherwise policy" "chart-other-name.yaml: Deployment/shop-depot-uploader: refers to ConfigMap/depot-uploader" $CHART/templates/_deployment.tpl 's/configMapRef: \{name: \{\{ include "depot.fullname" .root \}\}/configMapRef: {name: depot/'
plant "a name that two releases would have" "render otherwise policy" "chart-other-name.yaml: PodDisruptionBudget/depot-uploader: has a name" $CHART/templates/_scaling.tpl '/"depot.disruptionBudget"/,/labels:/s/\{\{ include "depot.fullname" .root \}\}/depot/'
plant "an upgrade that changes a Job in place" "render otherwise policy" "upgrade-in-cluster.yaml: Job/depot-migrate: is no hook" $CHART/templates/_job.tpl 's/or .Release.IsUpgrade \(not \$own\)/not $own/'
plant "a step of an upgrade with an account that is not there" "render otherwise policy" "upgrade-in-cluster.yaml: Job/depot-migrate: refers to ServiceAccount/" $CHART/templates/_job.tpl 's/^( *)restartPolicy: Never/&\n\1{{- if .root.Release.IsUpgrade }}\n\1serviceAccountName: depot-{{ .name }}\n\1{{- end }}/'

# What the code defines.
plant "a variable that the program does not read" "render settings" "does not read S3_BUCKETS" $CHART/templates/_settings.tpl 's/"S3_BUCKET"/"S3_BUCKETS"/'
plant "a variable that the program needs and is not told" "render settings" "needs KAFKA_BROKERS" $CHART/templates/_settings.tpl '/set \$s "KAFKA_BROKERS"/d'
plant "a port that the program has not" "render settings" "ADMIN_PORT is 9184" $CHART/templates/_facts.tpl 's/admin: 9182/admin: 9184/'
plant "a probe's path that is none" "render settings" "/ready is none of" $CHART/templates/_deployment.tpl 's|path: /readyz|path: /ready|'
plant "a file where nothing is mounted" "render settings" "where nothing is mounted" $CHART/templates/_files.tpl 's|mountPath: \{\{ \.directory \}\}|mountPath: {{ .directory }}s|'
plant "an address where no Service is" "render settings" "where no Service is" $CHART/templates/_settings.tpl 's/-uploader:9183/-uploaders:9183/'
plant "a topic that is not declared" "render settings" "depot.upload.v1 is no topic" $CHART/templates/uploader/scaling.yaml 's/list "uploads"/list "upload"/'
plant "a metric that nobody has" "render settings" "depot_consumer_lag is no metric" $CHART/templates/_scaling.tpl 's/depot_consumer_lag_messages/depot_consumer_lag/'
plant "a group that nobody is in" "render settings" "is no consumer group" $CHART/templates/_scaling.tpl 's/\.\{\{ \.name \}\}\(/.{{ .name }}s(/'
plant "another setting of Kafka's groups than was tested" "render settings" "group.consumer.session.timeout.ms is" $CHART/files/kafka.properties 's/session.timeout.ms=8000/session.timeout.ms=45000/'
plant "another object store than in the compose file" "render settings" "and the compose file has" $CHART/values.yaml 's/seaweedfs:4\.48/seaweedfs:4.40/'
plant "another variant of it, by a tag that begins the same" "render settings" "4.48_large_disk, and the compose file has 4.48" $CHART/values.yaml 's/seaweedfs:4\.48/seaweedfs:4.48_large_disk/'
plant "a chart of another version" "settings" "appVersion is" $CHART/Chart.yaml 's/^appVersion: .*/appVersion: 0.2.0/'
plant "compose: a variable that nobody reads" settings "does not read KAFKA_BROKER" deploy/docker-compose.yml 's/^  KAFKA_BROKERS:/  KAFKA_BROKER:/'
plant "compose: a variable with another's prefix" settings "does not read UPLOADER_PORT" deploy/docker-compose.yml 's/^      GRPC_PORT: 50051/      UPLOADER_PORT: 50051/'
plant "compose: a port that the program has not" settings "publishes 8090" deploy/docker-compose.yml 's/8080:8080/8080:8090/'
plant "compose: a file that is not there" settings "is not there" deploy/docker-compose.yml 's|dockerfile: deploy/docker/Dockerfile|dockerfile: deploy/docker/Containerfile|'
plant ".env.example: a variable that nobody reads" settings "no program reads UPLOAD_PARALLEL" .env.example 's/^UPLOAD_CONCURRENCY=/UPLOAD_PARALLEL=/'
plant ".env.example: a prefix of a program that reads no such variable" settings "no program reads PROJECTOR_S3_REGION" .env.example 's/^S3_REGION=/PROJECTOR_S3_REGION=/'
plant ".env.example: a port that the program has not" settings "ADMIN_PORT is 9199" .env.example 's/^UPLOADER_ADMIN_PORT=.*/UPLOADER_ADMIN_PORT=9199/'
plant "code: a variable that was renamed" settings "the header lists" query-api/src/config.rs 's/"DOWNLOAD_URL_SECONDS"/"DOWNLOAD_URL_LIFETIME"/'
plant "code: a variable that the schema does not have" settings "settingsOfProjector lacks" projector/src/config.rs 's/PROJECTION_BATCH_RECORDS/PROJECTION_BATCH_SIZE/'
plant "code: another port" "render settings" "ADMIN_PORT is 9182" projector/src/config.rs 's/9182/9192/'
plant "code: another path of a probe" "render settings" "/readyz is none of" crates/service/src/health/routes.rs 's|"/readyz"|"/prepared"|'
plant "code: fewer partitions than pods" "render settings" "and a topic has 4 partitions" schemas/src/topics.rs 's/PARTITIONS: i32 = 6/PARTITIONS: i32 = 4/'
plant "code: a topic that has another name" "render settings" "is no topic of" schemas/src/topics.rs 's/"items"/"articles"/'
plant "code: settings that the check cannot find" settings "the sources cannot be read" command-api/src/config.rs 's/reader\.(number|boolean|seconds)\(/settings.\1(/'

printf '\n%d faults planted, %d not found\n' "$PLANTED" "$MISSED"
((MISSED == 0))
