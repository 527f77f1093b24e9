"""The objects that a page has applied, as far as they are known without a cluster."""

import functools

import kubernetes_validate.utils as kubernetes
import yaml

from objects import LOADER
from schemas import faults_of
from stand_in import refuse

# The newest of those that deploy/check/kubernetes.sh checks everything by.
VERSION = "1.37"
# In their short form, as commands name them.
KINDS = {
    "deploy": "Deployment", "deployment": "Deployment", "job": "Job", "secret": "Secret", "svc": "Service",
    "service": "Service", "statefulset": "StatefulSet",
}


def read(text):
    return [found for found in yaml.load_all(text, LOADER) if found]


def apply(state, items, namespace):
    """Adds objects, each as the schemas of Kubernetes have it, to a namespace that is there."""
    kubernetes.schema_contents = functools.lru_cache(maxsize=None)(kubernetes.schema_contents)
    for item in items:
        name = f"{item['kind']}/{item['metadata']['name']}"
        for fault in faults_of(item, VERSION):
            refuse(f"{name}: {fault}")
        of = item["metadata"].get("namespace", namespace)
        if item["kind"] != "Namespace" and f"Namespace/{of}" not in state["objects"]:
            refuse(f"{name}: there is no namespace {of} yet")
        state["objects"][name] = item


def get(state, reference):
    """Of `deploy/depot-projector` and the like."""
    kind, _, name = reference.partition("/")
    if kind not in KINDS:
        refuse(f"does not know {kind}")
    found = state["objects"].get(f"{KINDS[kind]}/{name}")
    if found is None:
        refuse(f"there is no {reference}")
    return found
