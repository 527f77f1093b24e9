#!/usr/bin/env bash
# Checks the chart and the manifests by the real tools, without a cluster. kubernetes.sh [STEP…], all steps by default.
# Ends with 0 if nothing is wrong. What is rendered stays in .stack/check/kubernetes.
source "$(dirname "$0")/../native/settings.sh"
source "$NATIVE_DIR/steps.sh"
shopt -s nullglob

CHECK_DIR=$REPO_DIR/deploy/check
CHART=$REPO_DIR/deploy/helm/depot
K8S=$REPO_DIR/deploy/k8s
OUT=$STACK_DIR/check/kubernetes
# The oldest that Chart.yaml allows, and those that are maintained.
VERSIONS=${CHECK_VERSIONS:-1.32,1.35,1.36,1.37}
# Examples that are used together, by the name of what is rendered.
read -ra VALUE_SETS <<<"${CHECK_VALUE_SETS:-external in-cluster tls-sasl minimal external+keda in-cluster+keda}"
STEPS=(lint render otherwise current kustomize schemas policy settings)

python() { PYTHONPATH=$STACK_TOOLS_DIR/kubernetes-validate python3 "$@"; }

values_of() { # SET: prints -f FILE for each example
    local name
    for name in ${1//+/ }; do printf '%s\n' -f "$REPO_DIR/deploy/helm/values/$name.yaml"; done
}

# As Go's own record of a program has it: what helm says of itself is shorter.
version_of() { go version -m "$STACK_TOOLS_DIR/bin/$1" | awk '$1 == "mod" { print $3 }'; }

print_versions() {
    say "helm $(version_of helm), kustomize $(version_of kustomize)," \
        "kubernetes-validate $(python -c 'from kubernetes_validate.version import __version__ as v; print(v)')"
}

# Values by the schema, too: helm does that each time that it reads them.
lint() {
    local set files status=0
    for set in "${VALUE_SETS[@]}"; do
        mapfile -t files < <(values_of "$set")
        helm lint --strict --quiet "$CHART" "${files[@]}" || status=1
    done
    return "$status"
}

render() {
    local set files status=0
    rm -rf "$OUT"
    mkdir -p "$OUT"
    for set in "${VALUE_SETS[@]}"; do
        mapfile -t files < <(values_of "$set")
        helm template depot "$CHART" --namespace depot "${files[@]}" >"$OUT/chart-$set.yaml" || status=1
    done
    return "$status"
}

# As it is upgraded, when the steps are hooks in any case, and under another name.
render_otherwise() {
    local set files status=0
    for set in "${VALUE_SETS[@]}"; do
        mapfile -t files < <(values_of "$set")
        helm template depot "$CHART" --namespace depot --is-upgrade "${files[@]}" >"$OUT/upgrade-$set.yaml" || status=1
    done
    # Another name of the release is another beginning of every name, and of every reference.
    mapfile -t files < <(values_of in-cluster)
    helm template shop "$CHART" "${files[@]}" >"$OUT/chart-other-name.yaml" || status=1
    return "$status"
}

# deploy/k8s is what the chart gives.
current() {
    local fresh=$OUT/fresh name status=0
    rm -rf "$fresh"
    mkdir -p "$fresh"
    "$K8S/render.sh" "$fresh" || return 1
    for name in base jobs backing keda; do
        diff -r -u "$K8S/$name" "$fresh/$name" || status=1
    done
    rm -rf "$fresh"
    ((status == 0)) || say "deploy/k8s is not what the chart renders: run deploy/k8s/render.sh"
    return "$status"
}

# Each overlay with its steps is one application, and has the objects that the chart has.
kustomize_builds() {
    local status=0
    build k8s-external base jobs || status=1
    build k8s-in-cluster backing backing/jobs || status=1
    build_with_keda k8s-external+keda base jobs || status=1
    build_with_keda k8s-in-cluster+keda backing backing/jobs || status=1
    for set in external in-cluster external+keda in-cluster+keda; do
        python "$CHECK_DIR/same_objects.py" "$OUT/k8s-$set.yaml" "$OUT/chart-$set.yaml" || status=1
    done
    return "$status"
}

build() { # NAME OVERLAY…
    local name=$1 overlay
    shift
    for overlay in "$@"; do
        printf -- '---\n'
        kustomize build "$K8S/$overlay" || return 1
    done >"$OUT/$name.yaml"
}

# A component is used by somebody's own overlay, which has to lie beside what it names.
build_with_keda() { # NAME OVERLAY STEPS
    local scratch status=0
    scratch=$(mktemp -d "$OUT/overlay.XXXXXX")
    cp -r "$K8S" "$scratch/k8s"
    printf '%s\n' 'namespace: depot' "resources: [k8s/$2]" 'components: [k8s/keda]' >"$scratch/kustomization.yaml"
    { kustomize build "$scratch" && printf -- '---\n' && kustomize build "$K8S/$3"; } >"$OUT/$1.yaml" || status=1
    rm -rf "$scratch"
    return "$status"
}

schemas() { python "$CHECK_DIR/schemas.py" "$VERSIONS" "$OUT"/*.yaml "$K8S/namespace.yaml" "$K8S/secrets.example.yaml"; }

policy() {
    python "$CHECK_DIR/manifests.py" --root "$REPO_DIR" "$OUT"/chart-*.yaml "$OUT"/k8s-*.yaml \
        --upgraded "$OUT"/upgrade-*.yaml \
        --external "$K8S/secrets.example.yaml" "$CHECK_DIR/external-objects.yaml"
}

settings() { python "$CHECK_DIR/settings.py" --root "$REPO_DIR" "$OUT"/chart-*.yaml "$OUT"/k8s-*.yaml; }

main() {
    local name failed=0
    for name in "$@"; do
        case $name in
        lint) step "helm lint --strict, values by the schema" lint || failed=1 ;;
        render) step "helm template" render || failed=1 ;;
        otherwise) step "helm template, upgraded and under another name" render_otherwise || failed=1 ;;
        current) step "manifests as the chart has them" current || failed=1 ;;
        kustomize) step "kustomize build" kustomize_builds || failed=1 ;;
        schemas) step "schemas of Kubernetes" schemas || failed=1 ;;
        policy) step "pods, references, network, scaling" policy || failed=1 ;;
        settings) step "settings as the code has them" settings || failed=1 ;;
        *) die "usage: kubernetes.sh [${STEPS[*]}]" ;;
        esac
    done
    print_steps
    return "$failed"
}

"$NATIVE_DIR/install.sh" check-kubernetes
if (($# == 0)); then
    print_versions
    set -- "${STEPS[@]}"
fi
main "$@"
