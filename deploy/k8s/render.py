"""Renders the chart into plain YAML for kustomize: render.sh [FOLDER], this folder by default.

The chart is the one source (docs/decisions/0085). base/ and jobs/ are deploy/helm/values/external.yaml; backing/ and
keda/ are what the other examples add to that, and patches of what they change. Other files here are left alone.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
HELM = HERE.parent / "helm"
PLAIN = ["--set", "jobs.hooks=false,rollOnSettingsChange=false"]
STEPS = ("jobs/migrate.yaml", "jobs/topics.yaml", "jobs/buckets.yaml")
NOTICE = "# Written by deploy/k8s/render.sh from deploy/helm/depot.\n"
# By which a strategic merge tells entries of a list from each other. Other lists are replaced.
MERGE_KEYS = {"containers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath"}


def helm(*values):
    """Objects by name, each with the template that it comes from and its text."""
    files = [word for name in values for word in ("-f", HELM / f"values/{name}.yaml")]
    command = ["helm", "template", "depot", HELM / "depot", "--namespace", "depot", *files, *PLAIN]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found, source = {}, None
    for part in ("\n" + text).split("\n---\n"):
        lines = part.strip("\n").splitlines()
        # Only the first document of a template says where it is from.
        if lines and lines[0].startswith("# Source: "):
            source = lines.pop(0).removeprefix("# Source: depot/templates/")
        parsed = yaml.safe_load("\n".join(lines))
        if parsed:
            body = "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"
            found[(parsed["kind"], parsed["metadata"]["name"])] = (source, body, parsed)
    return found


def difference(old, new):
    """The strategic merge patch that makes `new` of `old`."""
    patch = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if value == before:
            continue
        if isinstance(value, dict) and isinstance(before, dict):
            patch[key] = difference(before, value)
        elif key in MERGE_KEYS and isinstance(before, list):
            patch[key] = merged(before, value, MERGE_KEYS[key])
        else:
            patch[key] = value
    return patch


def merged(old, new, key):
    before = {entry[key]: entry for entry in old}
    after = {entry[key]: entry for entry in new}
    gone = [{key: name, "$patch": "delete"} for name in before if name not in after]
    changed = [{key: name, **difference(before.get(name, {}), entry)} for name, entry in after.items()
               if entry != before.get(name)]
    return gone + changed


def patches(old, new):
    """Of objects that both have, and of those that only the old one has."""
    found = {}
    for name, (source, _, before) in old.items():
        identity = {"apiVersion": before["apiVersion"], "kind": name[0], "metadata": {"name": name[1]}}
        if name not in new:
            patch = {**identity, "$patch": "delete"}
        elif new[name][2] != before:
            patch = {**identity, **difference(before, new[name][2])}
            patch["metadata"] = {"name": name[1], **patch.get("metadata", {})}
        else:
            continue
        found.setdefault(source.replace("/", "-"), []).append(patch)
    return found


def write(folder, resources, kustomization, changes=None):
    """Files by template, patches, and the list of both."""
    files = {}
    for source, body, _ in resources:
        files.setdefault(source, []).append(body)
    for source, bodies in files.items():
        path = folder / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(NOTICE + "---\n".join(bodies))
    for name, documents in (changes or {}).items():
        path = folder / "patches" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(NOTICE + yaml.safe_dump_all(documents, sort_keys=False, width=120))
    head, resources_before = kustomization
    lines = [head, "resources:", *(f"  - {name}" for name in [*resources_before, *sorted(files)])]
    if changes:
        lines += ["patches:", *(f"  - path: patches/{name}" for name in sorted(changes))]
    (folder / "kustomization.yaml").write_text(NOTICE + "\n".join(lines) + "\n")


def header(comment, kind="Kustomization", namespace=True):
    version = "v1beta1" if kind == "Kustomization" else "v1alpha1"
    text = f"# {comment}\napiVersion: kustomize.config.k8s.io/{version}\nkind: {kind}"
    return text + ("\nnamespace: depot" if namespace else "")


def is_step(entry):
    return entry[0] in STEPS


def only(items, wanted):
    return {name: entry for name, entry in items.items() if wanted(entry)}


def added(old, new):
    return [(source.removeprefix("backing/"), body, parsed) for name, (source, body, parsed) in new.items()
            if name not in old]


def short(entry):
    source, body, parsed = entry
    return source.removeprefix("jobs/"), body, parsed


def main(target):
    managed, cluster, scaled = helm("external"), helm("in-cluster"), helm("external", "keda")
    for name in ("base", "jobs", "backing", "keda"):
        shutil.rmtree(target / name, ignore_errors=True)
    services, steps = only(managed, lambda entry: not is_step(entry)), only(managed, is_step)
    write(target / "base", services.values(), (header("The four services, on managed backing services."), []))
    write(target / "jobs", [short(entry) for entry in steps.values()],
          (header("The steps before an installation and before each upgrade: applied first, and waited for."), []))
    own = only(cluster, lambda entry: not is_step(entry))
    comment = "The services with backing services of their own in the cluster."
    write(target / "backing", added(services, own), (header(comment), ["../base"]), patches(services, own))
    changes = patches(steps, only(cluster, is_step))
    write(target / "backing/jobs", [], (header("The steps for them."), ["../../jobs"]), changes)
    by_lag = only(scaled, lambda entry: not is_step(entry))
    comment = "Projector and uploader by lag, with KEDA's operator in the cluster: for base/ and for backing/."
    write(target / "keda", [short(entry) for entry in added(services, by_lag)],
          (header(comment, "Component", namespace=False), []), patches(services, by_lag))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else HERE)
