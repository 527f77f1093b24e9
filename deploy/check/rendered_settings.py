"""What rendered charts and manifests tell the programs, and where they say that they listen."""

import json
import re

from comparison import PORT_VARIABLES
from compose_file import services_of
from images import split_name
from objects import WORKLOADS, by_kind, component_of, containers_of, load, name_of, ports_of, settings_of
from sources import SERVICES


def compare(comparison, path):
    items = load(path)
    found = set()
    for workload in by_kind(items, *WORKLOADS):
        for container in containers_of(workload):
            program = comparison.program_of(container.get("command"))
            if not program:
                continue
            found.add(program.name)
            place = f"{path.name}, {name_of(workload)}"
            variables = settings_of(workload, items)[container["name"]]
            for name in variables:
                comparison.variable_is_read(place, name, program)
            comparison.required_is_set(place, variables, program)
            _ports(comparison, place, workload, variables, program)
            _paths(comparison, place, container, variables)
            prefix = variables.get("TOPIC_PREFIX") or "depot"
            comparison.topics_are_declared(place, json.dumps(workload), prefix)
    missing = set(SERVICES) - found
    if missing:
        comparison.differ(path.name, f"has no pods of {', '.join(sorted(missing))}")
    _scaling(comparison, path, items)
    _addresses(comparison, path, items)


def _ports(comparison, place, workload, variables, program):
    for variable in PORT_VARIABLES:
        if variable in variables:
            comparison.port_is(place, variable, variables[variable], program)
        elif variable in program.ports:
            comparison.differ(place, f"{variable} is not said")
    ports = ports_of(workload)
    for name, variable in (("http", "PORT"), ("grpc", "GRPC_PORT"), ("admin", "ADMIN_PORT")):
        if name in ports:
            comparison.port_is(f"{place}, container port {name}", variable, ports[name], program)
        elif variable in program.ports:
            comparison.differ(place, f"has no container port {name}")
    annotation = workload["spec"]["template"]["metadata"].get("annotations", {})
    if "prometheus.io/port" in annotation:
        comparison.port_is(f"{place}, annotation", "ADMIN_PORT", annotation["prometheus.io/port"], program)
        comparison.route(place, annotation["prometheus.io/path"])


def _paths(comparison, place, container, variables):
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        path = container.get(kind, {}).get("httpGet", {}).get("path")
        if path:
            comparison.route(f"{place}, {kind}", path)
    mounts = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
    for name, value in variables.items():
        if name.endswith("_FILE"):
            comparison.compared["paths"] += 1
            if not any(str(value).startswith(mount + "/") for mount in mounts):
                comparison.differ(place, f"{name} is {value}, where nothing is mounted")


def _scaling(comparison, path, items):
    for scaler in by_kind(items, "ScaledObject", "HorizontalPodAutoscaler"):
        place = f"{path.name}, {name_of(scaler)}"
        spec = scaler["spec"]
        most = spec.get("maxReplicas", spec.get("maxReplicaCount"))
        if component_of(scaler) in ("projector", "uploader") and most > comparison.sources.partitions():
            comparison.differ(place, f"up to {most} pods, and a topic has {comparison.sources.partitions()} partitions")
        for trigger in spec.get("triggers", []):
            query = trigger["metadata"]["query"]
            # Each version of the views has a group whose name goes on with its number.
            group = re.search(r"group=~\"([^\"(]+)", query).group(1)
            prefix = group.rsplit(".", 1)[0]
            if group not in comparison.sources.groups_of(prefix):
                comparison.differ(place, f"{group} is no consumer group of the sources")
            comparison.topics_are_declared(place, query, prefix)


def _addresses(comparison, path, items):
    """Services that programs are told of are there, on that port."""
    services = {item["metadata"]["name"]: {port["port"] for port in item["spec"]["ports"]}
                for item in by_kind(items, "Service")}
    for workload in by_kind(items, *WORKLOADS):
        for variables in settings_of(workload, items).values():
            for name in ("KAFKA_BROKERS", "MINIO_ENDPOINT", "UPLOADER_ADMIN_URL"):
                for address in str(variables.get(name) or "").split(","):
                    host, _, port = re.sub(r"^https?://", "", address).partition(":")
                    if not host or host.count(".") > 1:
                        continue  # An address outside.
                    comparison.compared["ports"] += 1
                    if int(port or 0) not in services.get(host.split(".")[-1], set()):
                        place = f"{path.name}, {name_of(workload)}"
                        comparison.differ(place, f"{name} names {address}, where no Service is")


def compare_images(comparison, compose, rendered):
    """What is tested with compose is what runs in a cluster, by tag: only the compose file's may have a digest too."""
    images = [split_name(service["image"]) for service in services_of(compose).values() if "image" in service]
    tags = {name: tag for name, tag, _ in images}
    for path in rendered:
        for workload in by_kind(load(path), "StatefulSet"):
            for container in containers_of(workload):
                name, tag, _ = split_name(container["image"])
                if name in tags and tag != tags[name]:
                    place = f"{path.name}, {name_of(workload)}"
                    comparison.differ(place, f"{name}:{tag}, and the compose file has {tags[name]}")
