#!/usr/bin/env python3
"""Checks what no schema says of a set of rendered objects:
manifests.py RENDERED.yaml… [--upgraded RENDERED.yaml…] [--external OBJECTS.yaml…] [--root DIR]

Each rendered file is a whole application, in the form that an installation or an upgrade gives it. Objects in the
external files are taken for there, and have to be referred to by one of the sets. Prints one line for each fault, and
exits 1 if there is one.
"""

import argparse
import sys
from pathlib import Path

import network_rules
import pod_rules
import process_facts
import reference_rules
import scaling_rules
import upgrade_rules
from objects import WORKLOADS, by_kind, load, matches, name_of, pod_of
from sources import Implausible

RULES = (pod_rules, reference_rules, network_rules, scaling_rules)


class Rendered:
    """One application, and what was found wrong with it."""

    def __init__(self, items, external, facts):
        self.items = items
        self.external = external
        self.facts = facts
        self.faults = []
        self.used = set()
        self.workloads = by_kind(items, *WORKLOADS)

    def fault(self, item, text):
        self.faults.append(f"{name_of(item)}: {text}")

    def pods(self, selector):
        return [workload for workload in self.workloads if matches(selector, pod_of(workload)[0])]

    def refer(self, item, kind, name, *keys):
        """Something of this name has to be there, or declared as made elsewhere, with these keys."""
        there = [found for found in self.items if found["kind"] == kind and found["metadata"]["name"] == name]
        outside = [found for found in self.external if found["kind"] == kind and found["metadata"]["name"] == name]
        if not there and not outside:
            self.fault(item, f"refers to {kind}/{name}, which is neither here nor among what is made elsewhere")
            return
        known = {key for found in there + outside for part in ("data", "stringData") for key in found.get(part, {})}
        for key in keys:
            if key not in known:
                self.fault(item, f"refers to the key {key} of {kind}/{name}, which has none of that name")
        if not there:
            self.used |= {(kind, name, key) for key in keys or (None,)}


def check_each(sets, external, facts):
    """Faults, which objects and keys from outside are used, and how many objects there are."""
    faults, used, objects = [], set(), 0
    for path, all_rules in sets:
        items = load(path)
        objects += len(items)
        rendered = Rendered(items, external, facts)
        for rules in all_rules:
            rules.check(rendered)
        faults += [f"{path}: {fault}" for fault in rendered.faults]
        used |= rendered.used
    return faults, used, objects


def unread(external, used):
    for item in external:
        keys = [key for part in ("data", "stringData") for key in item.get(part, {})]
        for key in keys:
            name = (item["kind"], item["metadata"]["name"])
            if (*name, key) not in used and (*name, None) not in used:
                yield f"{name_of(item)}: nobody reads its key {key}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rendered", nargs="+")
    parser.add_argument("--upgraded", nargs="*", default=[])
    parser.add_argument("--external", nargs="*", default=[])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    arguments = parser.parse_args()
    try:
        facts = process_facts.read(arguments.root)
    except Implausible as error:
        print(f"the sources cannot be read: {error}")
        return 1
    sets = [(path, RULES) for path in arguments.rendered]
    sets += [(path, (*RULES, upgrade_rules)) for path in arguments.upgraded]
    external = [item for path in arguments.external for item in load(path)]
    faults, used, objects = check_each(sets, external, facts)
    faults += unread(external, used)
    print("\n".join(faults) if faults else f"{objects} objects in {len(sets)} sets, no fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
