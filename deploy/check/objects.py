"""Kubernetes objects as read from rendered YAML, and what several checks ask of them."""

import sys
from pathlib import Path

import yaml

WORKLOADS = ("Deployment", "StatefulSet", "Job")
# The one in C, where the package has it, reads ten times as fast.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(path):
    """The objects of one file; `-` is standard input."""
    text = sys.stdin.read() if str(path) == "-" else Path(path).read_text()
    return [found for found in yaml.load_all(text, LOADER) if found]


def name_of(item):
    return f"{item['kind']}/{item['metadata']['name']}"


def by_kind(items, *kinds):
    return [item for item in items if item["kind"] in kinds]


def pod_of(workload):
    """Labels and specification of the pods that a workload makes."""
    template = workload["spec"]["template"]
    return template.get("metadata", {}).get("labels", {}), template["spec"]


def containers_of(workload):
    spec = pod_of(workload)[1]
    return spec.get("initContainers", []) + spec["containers"]


def component_of(item):
    return item["metadata"].get("labels", {}).get("app.kubernetes.io/component", "")


def matches(selector, labels):
    """Whether a label selector takes these labels. An empty one takes all."""
    wanted = selector.get("matchLabels", {})
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    for expression in selector.get("matchExpressions", []):
        value, values = labels.get(expression["key"]), expression.get("values", [])
        if not {"In": value in values, "NotIn": value not in values, "Exists": value is not None,
                "DoesNotExist": value is None}[expression["operator"]]:
            return False
    return True


def settings_of(workload, items):
    """For each container, its variables by name: text, or None where a Secret or the pod itself gives it."""
    maps = {item["metadata"]["name"]: item.get("data", {}) for item in by_kind(items, "ConfigMap")}
    found = {}
    for container in containers_of(workload):
        variables = {}
        for source in container.get("envFrom", []):
            variables.update(maps.get(source.get("configMapRef", {}).get("name"), {}))
        for variable in container.get("env", []):
            variables[variable["name"]] = variable.get("value")
        found[container["name"]] = variables
    return found


def ports_of(workload):
    """Container ports by name."""
    return {port.get("name"): port["containerPort"] for container in containers_of(workload)
            for port in container.get("ports", [])}
