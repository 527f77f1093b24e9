"""Budgets and scalers act on something, one each, and no service is without."""

from objects import by_kind, component_of, matches, name_of, pod_of
from sources import SERVICES


def check(rendered):
    for workload in rendered.workloads:
        if workload["kind"] != "Job":
            budget(rendered, workload)
    budgets(rendered)
    scalers(rendered)


def budget(rendered, workload):
    labels = pod_of(workload)[0]
    budgets_here = by_kind(rendered.items, "PodDisruptionBudget")
    found = [item for item in budgets_here if matches(item["spec"]["selector"], labels)]
    if len(found) != 1:
        rendered.fault(workload, f"{len(found)} PodDisruptionBudgets cover its pods, instead of one")


def budgets(rendered):
    for budget in by_kind(rendered.items, "PodDisruptionBudget"):
        if not rendered.pods(budget["spec"]["selector"]):
            rendered.fault(budget, "covers no pod")
        if budget["spec"].get("maxUnavailable") in (0, "0%") or budget["spec"].get("minAvailable") in ("100%",):
            rendered.fault(budget, "lets no machine be drained")


def scalers(rendered):
    targets = {}
    for scaler in by_kind(rendered.items, "HorizontalPodAutoscaler", "ScaledObject"):
        reference = scaler["spec"]["scaleTargetRef"]
        kind, name = reference.get("kind", "Deployment"), reference["name"]
        target = next((item for item in rendered.items if name_of(item) == f"{kind}/{name}"), None)
        if not target:
            rendered.fault(scaler, f"scales {kind}/{name}, which is not there")
            continue
        if name in targets:
            rendered.fault(scaler, f"scales what {targets[name]} scales")
        targets[name] = name_of(scaler)
        if "replicas" in target["spec"]:
            rendered.fault(target, "has a number of pods, which each deployment would set back")
        spec = scaler["spec"]
        least, most = (spec.get("minReplicas", 1), spec["maxReplicas"]) if "maxReplicas" in spec else (
            spec.get("minReplicaCount", 0), spec["maxReplicaCount"])
        if not 1 <= least <= most:
            rendered.fault(scaler, f"scales between {least} and {most}")
    for workload in by_kind(rendered.items, "Deployment"):
        # One pod by number is for trying out: deploy/helm/values/minimal.yaml.
        is_tried_out = workload["spec"].get("replicas") == 1
        if component_of(workload) in SERVICES and workload["metadata"]["name"] not in targets and not is_tried_out:
            rendered.fault(workload, "is scaled by nobody")
