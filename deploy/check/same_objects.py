#!/usr/bin/env python3
"""Fails if two rendered files do not have the same objects: same_objects.py KUSTOMIZE.yaml CHART.yaml

Beside: the namespace, which kustomize writes and Helm does not; Helm's annotations of hooks, and of settings; the order
of variables.
"""

import sys

from objects import WORKLOADS, load, name_of

IGNORED_ANNOTATIONS = ("helm.sh/", "checksum/")


def plain(item):
    metadata = {key: value for key, value in item["metadata"].items() if key != "namespace"}
    item = {**item, "metadata": without_annotations(metadata)}
    if item["kind"] in WORKLOADS:
        template = item["spec"]["template"]
        template["metadata"] = without_annotations(template["metadata"])
        for container in template["spec"]["containers"]:
            container["env"] = sorted(container.get("env", []), key=lambda variable: variable["name"])
    if item["kind"] == "ConfigMap":
        item["data"] = {key: value.strip() for key, value in item["data"].items()}
    return item


def without_annotations(metadata):
    kept = {key: value for key, value in metadata.get("annotations", {}).items()
            if not key.startswith(IGNORED_ANNOTATIONS)}
    metadata = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**metadata, "annotations": kept} if kept else metadata


def main(left, right):
    first, second = ({name_of(item): plain(item) for item in load(path)} for path in (left, right))
    status = 0
    for name in sorted(set(first) | set(second)):
        if first.get(name) != second.get(name):
            status = 1
            where = "differs" if name in first and name in second else f"is in {left if name in first else right} only"
            print(f"{name} {where}")
    if status == 0:
        print(f"{len(first)} objects of {left} are those of {right}")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
