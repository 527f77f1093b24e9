"""`kubectl`: overlays by kustomize, objects by the schemas of Kubernetes, and what is named by what was applied before."""

import base64
import pathlib
import re
import subprocess
import sys

import cluster
from objects import ports_of
from stand_in import Arguments, called, keep, real, refuse, state

NAMESPACED = {"-n": True}
FLAGS = {
    "apply": {"-f": True, "-k": True},
    "delete": {"-k": True, "--ignore-not-found": False},
    "get": {"-o": True},
    "wait": {"--for": True, "--timeout": True},
    "rollout": {"--timeout": True},
    "port-forward": {},
}
DURATION = re.compile(r"\d+[smh]$")


def objects_of(options):
    for file in options.get("-f", []):
        path = pathlib.Path(file)
        if not path.is_file():
            refuse(f"{file} is not there")
        yield from cluster.read(path.read_text(encoding="utf-8"))
    for folder in options.get("-k", []):
        built = subprocess.run(["kustomize", "build", folder], env=real(), capture_output=True, text=True, check=False)
        if built.returncode:
            refuse(built.stderr.strip())
        yield from cluster.read(built.stdout)


def apply(kept, options, words, namespace):
    if words:
        refuse(f"takes no {words[0]}")
    cluster.apply(kept, objects_of(options), namespace)


def delete(kept, options, words, _):
    kind, names = (words[0], words[1:]) if words else (None, [])
    items = [f"{item['kind']}/{item['metadata']['name']}" for item in objects_of(options)]
    items += [f"{cluster.KINDS[kind]}/{name}" for name in names]
    for item in items:
        if kept["objects"].pop(item, None) is None and "--ignore-not-found" not in options:
            refuse(f"there is no {item}")


def get(kept, options, words, _):
    if words == ["pods"]:
        return
    kind, name = words
    found = cluster.get(kept, f"{kind}/{name}")
    path = re.fullmatch(r"jsonpath=\{\.data\.(\w+)\}", options["-o"][0])
    if not path:
        refuse("does not know that output")
    values = {name: base64.b64encode(value.encode()).decode() for name, value in found.get("stringData", {}).items()}
    values.update(found.get("data", {}))
    if path[1] not in values:
        refuse(f"{name} has no {path[1]}")
    print(values[path[1]])


def wait(kept, options, words, _):
    if options["--for"] != ["condition=complete"]:
        refuse("waits for something else than an end")
    for reference in words:
        if not reference.startswith("job/"):
            refuse(f"{reference} has no end")
        cluster.get(kept, reference)


def rollout(kept, _, words, __):
    what, *references = words
    if what not in ("status", "restart"):
        refuse(f"does not know {what}")
    for reference in references:
        if what == "restart" and reference == "deploy":
            continue
        if cluster.get(kept, reference)["kind"] != "Deployment":
            refuse(f"{reference} is not rolled out")


def port_forward(kept, _, words, __):
    reference, port = words
    found = cluster.get(kept, reference)
    if found["kind"] == "Service":
        ports = {each["port"] for each in found["spec"]["ports"]}
    else:
        ports = set(ports_of(found).values())
    if int(port) not in ports:
        refuse(f"{reference} has the ports {sorted(ports)}")
    kept["ports"].append(int(port))


def main():
    called()
    arguments = Arguments(sys.argv[1:])
    namespace = arguments.flags(NAMESPACED).get("-n", ["default"])[0]
    command = arguments.word("a command")
    commands = {
        "apply": apply, "delete": delete, "get": get, "wait": wait, "rollout": rollout, "port-forward": port_forward,
    }
    if command not in commands:
        refuse(f"does not know {command}")
    options, words = arguments.all(FLAGS[command])
    for duration in options.get("--timeout", []):
        if not DURATION.match(duration):
            refuse(f"{duration} is no duration")
    # Folders say themselves where their objects are.
    if namespace != "depot" and command not in ("apply", "delete"):
        refuse("looks into the namespace default")
    kept = state()
    commands[command](kept, options, words, namespace)
    keep(kept)


main()
